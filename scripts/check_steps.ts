/** Finds the calls that are not made: steps that nothing runs, and calls that an assignment may skip. */

import { relative } from "node:path";
import ts from "typescript";

/** What is wrong in these files, and in all that they import: `file:line:column message`. */
export function checkSteps(files: string[]): string[] {
  const program = ts.createProgram(files, { types: ["node"] });
  const checker = program.getTypeChecker();
  const findings: string[] = [];
  const add = (node: ts.Node, message: string): void => {
    const source = node.getSourceFile();
    const { line, character } = source.getLineAndCharacterOfPosition(node.getStart());
    findings.push(`${relative(".", source.fileName)}:${line + 1}:${character + 1} ${message}`);
  };
  const visit = (node: ts.Node): void => {
    if (ts.isTypeNode(node)) return;
    const operator = ts.isBinaryExpression(node) ? node.operatorToken.getText() : "";
    if (ts.isBinaryExpression(node) && /^(\?\?|\|\||&&)?=$/.test(operator)) {
      if (operator !== "=" && hasCall(node.right)) add(node, "no call if the left side is set");
      // The left side is a place, and no value.
      return visit(node.right);
    }
    if (isLost(node, checker)) return add(node, "nothing runs here without `yield*`");
    ts.forEachChild(node, visit);
  };
  program.getSourceFiles().filter((source) => !source.isDeclarationFile).forEach(visit);
  return findings;
}

/** Whether a call is made where this is evaluated. */
function hasCall(node: ts.Node): boolean {
  return ts.isYieldExpression(node) || ts.isAwaitExpression(node) ||
    !ts.isFunctionLike(node) && ts.forEachChild(node, hasCall) === true;
}

/** Whether this is steps that `yield*` does not run, and that go to no place of the type `Steps`. */
function isLost(node: ts.Node, checker: ts.TypeChecker): boolean {
  const isSteps = (type: ts.Type): boolean =>
    type.isUnionOrIntersection()
      ? type.types.some(isSteps)
      : ["Steps", "Generator"].includes(type.symbol?.name);
  const areSteps = (other: ts.Expression): boolean => isSteps(checker.getTypeAtLocation(other));
  if (!ts.isExpression(node) || !areSteps(node)) return false;
  const { parent } = node;
  const mayBeNone = checker.getTypeAtLocation(node).isUnion();
  const isName = ts.isMemberName(node) || ts.isPropertyAccessExpression(node);
  // A name may be declared, its steps may be driven by `next`, and it may be compared with `undefined`.
  if (isName && ("name" in parent || ts.isBinaryExpression(parent) && mayBeNone)) return false;
  if (ts.isYieldExpression(parent)) return parent.asteriskToken === undefined;
  const wanted = checker.getContextualType(node);
  if (wanted !== undefined) return !isSteps(wanted);
  // A variable, function or array without a type takes that of its steps, if they are nothing else.
  if ("type" in parent) return mayBeNone && !ts.isYieldExpression(node);
  return !ts.isArrayLiteralExpression(parent) || !parent.elements.every(areSteps);
}

if (import.meta.main) {
  const findings = checkSteps(["mod.ts", "cli.ts"]);
  for (const finding of findings) console.log(finding);
  Deno.exit(findings.length > 0 ? 1 : 0);
}
