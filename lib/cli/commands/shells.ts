/** Makes the completion scripts of the shells. All of them follow the same rules. */

/** A command, as the scripts describe it. */
export interface Described {
  name: string;
  summary: string;
  options: {
    /** The option itself: its short form, if it has one, and its long form. */
    flags: string[];
    hasValue: boolean;
    /** The words that the value must be one of. Empty if it may be anything. */
    words: string[];
    text: string;
  }[];
  /** The words that the argument must be one of. Empty if it is a path. */
  words: string[];
}

/** Returns the script for bash 4 or later. */
export function bashScript(commands: readonly Described[]): string {
  return `# Completes untorn in bash.
_untorn() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]}
  local command="" i
  local -a found=()
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case \${COMP_WORDS[i]} in
      --)
        ((i + 1 == COMP_CWORD)) && mapfile -t COMPREPLY < <(compgen -c -- "$cur")
        return ;;
      -*) ;;
      *) case $command in "" | permissions | help) command=\${COMP_WORDS[i]} ;; esac ;;
    esac
  done
${findWords(commands, (word) => word)}
  mapfile -t COMPREPLY < <(compgen -W "\${found[*]-}" -- "$cur")
}
complete -o bashdefault -o default -F _untorn untorn
`;
}

/** Returns the script for zsh, as a file `_untorn` in its function path. */
export function zshScript(commands: readonly Described[]): string {
  // A colon ends the word and starts its description.
  const described = (word: string, text: string): string =>
    `${word.replaceAll(":", "\\:")}:${text}`;
  return `#compdef untorn
# Completes untorn in zsh.
local cur=$words[CURRENT] prev=$words[CURRENT-1] command="" i
local -a typed=($words[2,CURRENT-1])
local -a found
for ((i = 1; i <= $#typed; i++)); do
  case $typed[i] in
    --)
      if ((i == $#typed)); then _command_names -e; else _files; fi
      return ;;
    -*) ;;
    *) [[ $command == (|permissions|help) ]] && command=$typed[i] ;;
  esac
done
${findWords(commands, described)}
if (($#found)); then _describe "word" found; else _files; fi
`;
}

/** Returns code for bash and zsh that puts the words to offer after $command and $prev into $found. */
function findWords(
  commands: readonly Described[],
  item: (word: string, text: string) => string,
): string {
  const found = (items: string[]): string => `found=(${items.map(quoted).join(" ")})`;
  const names = commands.map(({ name, summary }) => item(name, summary));
  const cases = commands.map(({ name, options, words }) => {
    const values = options.filter(({ hasValue }) => hasValue).map(({ flags, words }) =>
      `    "${name} "${flags.join(`|"${name} "`)}) ${found(words)} ;;\n`
    );
    const flags = options.flatMap(({ flags, text }) => flags.map((flag) => item(flag, text)));
    return `${values.join("")}    "${name} "*) ${found(words)}
      [[ $cur == -* ]] && ${found(flags)} ;;\n`;
  });
  return `  case "$command $prev" in
    " "*) ${found([...names, "help", "--help", "--version"])} ;;
    "help "*) ${found(names)} ;;
${cases.join("")}  esac`;
}

/** Returns the script for fish, as a file `untorn.fish` among its completions. */
export function fishScript(commands: readonly Described[]): string {
  const add = (condition: string, ...rest: string[]): string =>
    ["complete -c untorn -n", quoted(condition), ...rest].join(" ") + "\n";
  const lines = commands.map(({ name, summary, options, words }) => {
    const called = `__untorn_command ${name}`;
    const lines = options.map(({ flags, hasValue, words, text }) =>
      add(
        called,
        ...flags.map((flag) => flag.replace(/^--/, "-l ").replace(/^-(?=\w$)/, "-s ")),
        ...hasValue ? [words.length === 0 ? "-r" : `-x -a ${quoted(words.join(" "))}`] : [],
        `-d ${quoted(text)}`,
      )
    );
    const argument = words.length === 0 ? "" : add(called, `-f -a ${quoted(words.join(" "))}`);
    return add("__untorn_command ''", `-f -a ${name}`, `-d ${quoted(summary)}`) +
      add("__untorn_command help", `-f -a ${name}`) + argument + lines.join("");
  });
  return `# Completes untorn in fish.
function __untorn_command
    set -l command ''
    for word in (commandline -opc)[2..-1]
        test "$word" = --; and return 1
        string match -q -- '-*' $word; and continue
        contains -- "$command" '' permissions help; and set command $word
    end
    test "$command" = "$argv[1]"
end
${add("__untorn_command ''", "-f -a help")}${lines.join("")}`;
}

/** Quotes a word for any of the shells. */
export function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
