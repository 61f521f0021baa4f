/** The few shapes that the pictures of `docs/` are made of. */

/** The colours of versions. */
export const COLOURS = { old: "#8896a8", new: "#2f9e5f", lost: "#d2352b" };

/** A picture of these parts. */
export function picture(width: number, height: number, parts: readonly string[]): string {
  const size = `viewBox="0 0 ${width} ${height}" width="${width}" height="${height}"`;
  const font = 'font-family="system-ui, sans-serif" font-size="13"';
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" ${size} ${font}>`,
    '<rect width="100%" height="100%" fill="#ffffff"/>',
    ...parts,
    "</svg>",
    "",
  ].join("\n");
}

/** A filled rectangle. */
export function box(x: number, y: number, width: number, height: number, fill: string): string {
  const at = [x, y, width, height].map((number) => Math.round(number * 100) / 100);
  return `<rect x="${at[0]}" y="${at[1]}" width="${at[2]}" height="${at[3]}" fill="${fill}"/>`;
}

/** A line through points. */
export function line(
  points: readonly (readonly [x: number, y: number])[],
  colour: string,
  width: number,
): string {
  const at = points.map((point) => point.map((number) => Math.round(number * 10) / 10).join(","));
  return `<polyline points="${
    at.join(" ")
  }" fill="none" stroke="${colour}" stroke-width="${width}"/>`;
}

/** A line of text, which is escaped. */
export function text(
  x: number,
  y: number,
  content: string,
  anchor: string,
  size: number = 13,
): string {
  return `<text x="${x}" y="${y}" text-anchor="${anchor}" font-size="${size}" fill="#1c2733">${
    escape(content)
  }</text>`;
}

function escape(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
