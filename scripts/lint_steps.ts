/**
 * A lint plugin for what the compiler does not see.
 *
 * `yield-steps`, below `lib/`: an operation is a generator, and a generator that is called without
 * `yield*` does nothing, silently. So each such call must be run, or be handed to what may run it:
 * returned, passed to a call, put in an array or in a variable of a declared type. What is called is
 * told by names and by the types that are written down, in this file and in those that it imports by
 * a relative path. Only `lib/core/steps.ts` yields without the star.
 *
 * `relative-imports`, in `lib/`, `mod.ts` and `cli.ts`: only relative `.ts` files and `node:` built-ins
 * are imported. A module that is imported by URL has no import map, and nothing is installed for it.
 */

import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

type Node = Deno.lint.Node;
type Context = Deno.lint.RuleContext;

const PROJECT = new URL("../", import.meta.url).href;

const plugin: Deno.lint.Plugin = {
  name: "untorn",
  rules: {
    "yield-steps": { create: yieldSteps },
    "relative-imports": { create: relativeImports },
  },
};

export default plugin;

/** The path of the file in the project; empty if it is not in it. */
function inProject({ filename }: Context): string {
  const { href } = pathToFileURL(filename);
  return href.startsWith(PROJECT) ? href.slice(PROJECT.length) : "";
}

function yieldSteps(context: Context): Deno.lint.LintVisitor {
  const path = inProject(context);
  if (!path.startsWith("lib/")) return {};
  const names = new Names(context);
  const calls: Deno.lint.CallExpression[] = [];
  return {
    ImportDeclaration: (node) => names.addImport(node),
    Identifier: (node) => names.addType(node.name, node.typeAnnotation?.typeAnnotation),
    PropertyDefinition: (node) => {
      const name = context.sourceCode.getText(node.key);
      names.addType(name, node.typeAnnotation?.typeAnnotation, node.value);
    },
    VariableDeclarator: (node) => {
      if (node.id.type === "Identifier") names.addType(node.id.name, undefined, node.init);
    },
    CallExpression: (node) => void calls.push(node),
    YieldExpression: (node) => {
      if (node.delegate || path === "lib/core/steps.ts") return;
      context.report({
        node,
        message: "a `yield` without `*` runs no steps",
        hint: "write `yield*`; what is no step becomes one with `lift` or `settle`",
      });
    },
    ExpressionStatement: (node) => {
      if (unwrap(node.expression).type !== "Identifier") return;
      context.report({
        node,
        message: "this statement does nothing",
        hint: "write `yield*` before it if it is steps",
      });
    },
    // A call may come before the declarations that it is judged by.
    "Program:exit": () => {
      for (const call of calls) {
        if (isHandedOver(call) || !names.isStep(call.callee)) continue;
        const callee = context.sourceCode.getText(call.callee);
        context.report({
          node: call,
          message: `nothing of \`${callee}()\` runs here: the call only makes a generator`,
          hint: `write \`yield* ${callee}()\`, or return it, pass it to what runs it, or keep it ` +
            `for that in an array or a variable of type \`Steps\``,
        });
      }
    },
  };
}

/** Whether a call's result is run, or goes where somebody may run it. */
function isHandedOver(call: Deno.lint.CallExpression): boolean {
  let node: Node = call;
  for (;;) {
    const parent = parentOf(node);
    const isIt = (other: Node | null): boolean => other !== null && sameNode(other, node);
    switch (parent?.type) {
      case "ChainExpression":
      case "TSNonNullExpression":
      case "TSAsExpression":
      case "TSSatisfiesExpression":
        break;
      case "ConditionalExpression":
        if (isIt(parent.test)) return false;
        break;
      case "LogicalExpression":
        if (isIt(parent.left)) return false;
        break;
      case "ArrowFunctionExpression":
        return isIt(parent.body);
      case "CallExpression":
      case "NewExpression":
        return !isIt(parent.callee);
      case "VariableDeclarator":
        // `const error = caught()` would go unseen where it is only thrown or compared.
        return isIt(parent.init) && parent.id.typeAnnotation !== undefined;
      case "AssignmentExpression":
        return isIt(parent.right);
      case "YieldExpression":
      case "ReturnStatement":
      case "ArrayExpression":
        return true;
      default:
        return false;
    }
    node = parent;
  }
}

/** What a file says of the names in it: which are generators, and of which types the others are. */
class Names {
  readonly #context: Context;
  readonly #functions: Set<string>;
  readonly #classes: Map<string, Set<string>>;
  readonly #types = new Map<string, Node[]>();

  constructor(context: Context) {
    this.#context = context;
    const own = generators(context.sourceCode.text);
    this.#functions = new Set(own.functions);
    this.#classes = new Map(own.classes);
  }

  addImport({ source, specifiers }: Deno.lint.ImportDeclaration): void {
    if (!source.value.startsWith(".")) return;
    const url = new URL(source.value, pathToFileURL(this.#context.filename));
    const { functions, classes } = generatorsOf(url);
    for (const specifier of specifiers) {
      if (specifier.type !== "ImportSpecifier") continue;
      const { imported, local } = specifier;
      const name = imported.type === "Identifier" ? imported.name : imported.value;
      if (functions.has(name)) this.#functions.add(local.name);
      const methods = classes.get(name);
      if (methods !== undefined) this.#classes.set(local.name, methods);
    }
    // Whatever else is in that file may get here without its name.
    for (const [name, methods] of classes) {
      if (!this.#classes.has(name)) this.#classes.set(name, methods);
    }
  }

  /** Notes what a name stands for: its declared type, else its first value. */
  addType(name: string, type: Node | undefined, value?: Node | null): void {
    const source = type ?? value ?? undefined;
    if (source === undefined) return;
    const sources = this.#types.get(name);
    if (sources === undefined) this.#types.set(name, [source]);
    else sources.push(source);
  }

  /** Whether what is called is a generator. */
  isStep(callee: Node): boolean {
    const called = unwrap(callee);
    if (called.type === "Identifier") {
      return this.#functions.has(called.name) || this.#isFunction(called.name);
    }
    if (called.type !== "MemberExpression" || called.computed) return false;
    const method = this.#text(called.property);
    const receiver = unwrap(called.object);
    if (receiver.type === "ThisExpression" && this.#isFunction(method)) return true;
    const types = [...this.#typesOf(receiver)];
    if (types.includes("Os")) return true;
    if (types.length > 0) {
      return types.some((type) => this.#classes.get(type)?.has(method) === true);
    }
    return !BUILT_IN.has(method) &&
      [...this.#classes.values()].some((methods) => methods.has(method));
  }

  /** The types of a type or value, as far as they are written down; none if they are not. */
  #typesOf(source: Node, seen: Set<string> = new Set()): Set<string> {
    const node = unwrap(source);
    switch (node.type) {
      case "TSUnionType":
        return new Set(node.types.flatMap((type) => [...this.#typesOf(type, seen)]));
      case "TSTypeReference":
        return new Set([this.#text(node.typeName)]);
      case "NewExpression":
        return new Set([this.#text(node.callee)]);
      case "ThisExpression":
        return new Set(enclosingClass(node));
      case "Identifier":
        return this.#typesOfName(node.name, seen);
      case "MemberExpression":
        return node.computed ? new Set() : this.#typesOfName(this.#text(node.property), seen);
      default:
        return new Set();
    }
  }

  /** Whether a name stands for a function that makes steps. */
  #isFunction(name: string): boolean {
    return (this.#types.get(name) ?? []).some((source) => {
      switch (source.type) {
        case "FunctionExpression":
        case "ArrowFunctionExpression":
        case "TSFunctionType": {
          const type = source.returnType?.typeAnnotation;
          return type?.type === "TSTypeReference" && this.#text(type.typeName) === "Steps";
        }
        default:
          return false;
      }
    });
  }

  #typesOfName(name: string, seen: Set<string>): Set<string> {
    if (name === "os" || name === "#os") return new Set(["Os"]);
    if (seen.has(name)) return new Set();
    seen.add(name);
    const sources = this.#types.get(name) ?? [];
    return new Set(sources.flatMap((source) => [...this.#typesOf(source, seen)]));
  }

  #text(node: Node): string {
    return this.#context.sourceCode.getText(node);
  }
}

/**
 * Method names that most often mean something else: where it can't be seen what one of them is called
 * on, nothing is said.
 */
const BUILT_IN: ReadonlySet<string> = new Set(
  [Array, Map, Set, String].flatMap(({ prototype }) => Object.getOwnPropertyNames(prototype)),
);

/** What makes steps in a file: functions, and methods by class or interface. */
interface Generators {
  functions: Set<string>;
  classes: Map<string, Set<string>>;
}

/** The declarations of text that `deno fmt` has been over: no parser is at hand for other files. */
const DECLARATION = new RegExp(
  [
    /\bfunction\* ?(\w+)/,
    /^ *(?:export )?(?:abstract )?(?:class|interface) (\w+)/,
    /^ +\*(#?\w+)[<(]/,
    /^ +(#?\w+)(?:<.*>)?\(.*\): Steps</,
  ].map(({ source }) => source).join("|"),
  "gm",
);

function generators(text: string): Generators {
  const functions = new Set<string>();
  const classes = new Map<string, Set<string>>();
  let methods = new Set<string>();
  for (const [, fn, className, generator, method] of text.matchAll(DECLARATION)) {
    if (fn !== undefined) functions.add(fn);
    if (className !== undefined) classes.set(className, methods = new Set());
    if (generator !== undefined) methods.add(generator);
    if (method !== undefined) methods.add(method);
  }
  return { functions, classes };
}

const read = new Map<string, Generators>();

function generatorsOf(url: URL): Generators {
  let found = read.get(url.href);
  if (found === undefined) read.set(url.href, found = generators(textOf(url)));
  return found;
}

/** A file's text; that it is missing is for the type checker to say. */
function textOf(url: URL): string {
  try {
    return readFileSync(url, "utf8");
  } catch {
    return "";
  }
}

/** The name of the class around a node; none if there is none. */
function enclosingClass(node: Node): string[] {
  for (let at: Node | undefined = node; at !== undefined; at = parentOf(at)) {
    if (at.type === "ClassDeclaration") return at.id === null ? [] : [at.id.name];
  }
  return [];
}

/** What is called or called on, without optional chaining and assertions around it. */
function unwrap(node: Node): Node {
  switch (node.type) {
    case "ChainExpression":
    case "TSNonNullExpression":
    case "TSAsExpression":
      return unwrap(node.expression);
    default:
      return node;
  }
}

function parentOf(node: Node): Node | undefined {
  return (node as { parent?: Node }).parent;
}

function sameNode(one: Node, other: Node): boolean {
  return one.type === other.type && one.range[0] === other.range[0] &&
    one.range[1] === other.range[1];
}

function relativeImports(context: Context): Deno.lint.LintVisitor {
  const path = inProject(context);
  if (!path.startsWith("lib/") && path !== "mod.ts" && path !== "cli.ts") return {};
  const check = (node: Node | null): void => {
    if (node === null) return;
    const from = node.type === "TSLiteralType" ? node.literal : node;
    const name = from.type === "Literal" ? from.value : undefined;
    if (typeof name === "string" && /^(\.\.?\/.*\.ts|node:.+)$/.test(name)) return;
    context.report({
      node,
      message:
        "this import does not work where the module is imported by URL, without an import map",
      hint: "import a relative path that ends in `.ts`, or a built-in as `node:…`",
    });
  };
  return {
    ImportDeclaration: (node) => check(node.source),
    ExportAllDeclaration: (node) => check(node.source),
    ExportNamedDeclaration: (node) => check(node.source),
    ImportExpression: (node) => check(node.source),
    TSImportType: (node) => check(node.argument),
  };
}
