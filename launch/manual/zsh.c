/* Completion for zsh (compsys): commands and keys with what they mean, choices, files. */
#include "launch/manual/shell_private.h"
#include "launch/settings/options.h"

/* 'name:meaning' for _describe. */
static void write_described(FILE *out, const char *name, const char *meaning) {
    fputs("            '", out);
    un_shell_quoted(out, name);
    fputc(':', out);
    un_shell_quoted(out, meaning);
    fputs("'\n", out);
}

static void write_key(FILE *out, const char *command, const struct un_shell_key *key) {
    (void)command;
    write_described(out, key->name, key->meaning);
}

static void write_row(FILE *out, const struct un_tool *tool) {
    char called[128] = "run";
    if (tool) un_manual_called(tool, called);
    fprintf(out, "        '%s') keys=(\n", called);
    un_shell_keys(out, tool, write_key);
    fputs("        ) ;;\n", out);
}

static void write_tables(FILE *out) {
    const struct un_tool *tool;
    char called[128];
    fputs("_uniter_keys() { # COMMAND: sets keys\n    case \"$1\" in\n", out);
    for (int i = 0; (tool = un_tool_at(i)) != NULL; ++i) write_row(out, tool);
    write_row(out, NULL);
    fputs("    esac\n}\n\n_uniter_values() { # COMMAND KEY: sets values, @ where they are files\n", out);
    un_shell_values(out);
    fputs("}\n\n_uniter_commands() { # sets commands\n    commands=(\n", out);
    for (int i = 0; (tool = un_tool_at(i)) != NULL; ++i) {
        un_manual_called(tool, called);
        write_described(out, called, tool->meaning);
    }
    fputs("    )\n}\n\n_uniter_options() { # sets options\n    options=(\n", out);
    for (const struct un_run_option *o = un_run_options; o->name; ++o)
        write_described(out, o->name, o->meaning);
    fputs("    )\n}\n\n", out);
}

static const char *const words[] = {
    "_uniter_key() { # COMMAND: a key, its value, or a file",
    "    local -a keys",
    "    local values= key",
    "    if [[ $PREFIX == *=* ]]; then",
    "        key=${${PREFIX%%=*}#--}",
    "        [[ $key =~ '^([^.]+[.][^.]+)[.][0-9]+[.](.+)$' ]] && key=$match[1].0.$match[2]",
    "        compset -P 1 '*='",
    "        _uniter_values \"$1\" \"$key\"",
    "        if [[ $values == @ ]]; then",
    "            _files",
    "        elif [[ -n $values ]]; then",
    "            compadd -- ${=values}",
    "        fi",
    "        return",
    "    fi",
    "    _uniter_keys \"$1\"",
    "    [[ $PREFIX == --* && $1 != run ]] && compset -P --",
    "    _describe -t keys key keys -S =",
    "    [[ $1 == run ]] || _files",
    "}",
    "",
    "_uniter_tools() {",
    "    local -a commands next",
    "    local front c n w",
    "    _uniter_commands",
    "    for ((n = CURRENT - 2 > 3 ? 3 : CURRENT - 2; n > 0; --n)); do",
    "        front=\"${(j: :)words[2,n+1]}\"",
    "        (( ${commands[(I)${(b)front}:*]} )) && _uniter_key \"$front\" && break",
    "    done",
    "    (( CURRENT > 4 )) && return",
    "    front=\"${(j: :)words[2,CURRENT-1]}\"",
    "    for c in $commands; do",
    "        [[ -n $front && ${c%%:*} != \"$front \"* ]] && continue",
    "        n=${c%%:*}",
    "        n=${n#\"${front:+$front }\"}",
    "        w=\"${front:+$front }${n%% *}\"",
    "        if [[ $n != *' '* ]]; then",
    "            next+=(\"$n:${c#*:}\")",
    "        elif (( ! ${commands[(I)${(b)w}:*]} )); then # else a command of its own, with its meaning",
    "            next+=(\"${n%% *}\")",
    "        fi",
    "    done",
    "    next=(${(u)next})",
    "    (( $#next )) && _describe -t commands command next",
    "}",
    "",
    "_uniter_run() {",
    "    local -a options",
    "    case ${words[CURRENT-1]} in",
    "        --cfg) _files ;;",
    "        --resume) compadd auto none; _files -/ ;;",
    "        --bench) _message steps ;;",
    "        *)",
    "            if [[ $PREFIX == -* ]]; then",
    "                _uniter_options",
    "                _describe -o -t options option options",
    "            else",
    "                _uniter_key run",
    "            fi",
    "            ;;",
    "    esac",
    "}",
    "",
    "case $service in",
    "    uniter_dist) _uniter_run ;;",
    "    *) _uniter_tools ;;",
    "esac",
    NULL,
};

void un_manual_zsh(FILE *out) {
    fputs("#compdef uniter uniter_dist\n# made of the programs' own tables\n\n", out);
    write_tables(out);
    un_shell_lines(out, words);
}
