/* Completion for bash: functions around tables. Nothing of the package bash-completion is needed.
 *
 * The word under the cursor is taken of the line itself: bash cuts words at "=" and ":", which keys and paths hold. */
#include "launch/manual/shell_private.h"
#include "launch/settings/options.h"

static void write_name(FILE *out, const char *command, const struct un_shell_key *key) {
    (void)command;
    fprintf(out, " %s=", key->name);
}

static void write_flag(FILE *out, const char *command, const struct un_shell_key *key) {
    (void)command;
    if (key->flag) fprintf(out, " %s", key->name);
}

static void write_row(FILE *out, const struct un_tool *tool) {
    char called[128] = "run";
    if (tool) un_manual_called(tool, called);
    fprintf(out, "        '%s')\n            keys='", called);
    un_shell_keys(out, tool, write_name);
    fputs("'\n            flags='", out);
    un_shell_keys(out, tool, write_flag);
    fputs("' ;;\n", out);
}

static void write_tables(FILE *out) {
    const struct un_tool *tool;
    char called[128];
    fputs("_uniter_commands='", out);
    for (int i = 0; (tool = un_tool_at(i)) != NULL; ++i) {
        un_manual_called(tool, called);
        fprintf(out, "%s%s", i ? "\n" : "", called);
    }
    fputs("'\n\n_uniter_keys() { # COMMAND: sets keys, and flags: those that need no value\n    case \"$1\" "
          "in\n",
          out);
    for (int i = 0; (tool = un_tool_at(i)) != NULL; ++i) write_row(out, tool);
    write_row(out, NULL);
    fputs("    esac\n}\n\n_uniter_values() { # COMMAND KEY: sets values, @ where they are files\n", out);
    un_shell_values(out);
    fputs("}\n\n_uniter_options='", out);
    for (const struct un_run_option *o = un_run_options; o->name; ++o)
        fprintf(out, "%s%s", o == un_run_options ? "" : " ", o->name);
    fputs("'\n\n", out);
}

static const char *const words[] = {
    "_uniter_files() { # PREFIX",
    "    local IFS=$'\\n'",
    "    compopt -o filenames 2>/dev/null",
    "    COMPREPLY+=($(compgen -f -- \"$1\"))",
    "}",
    "",
    "_uniter_value() { # COMMAND KEY PREFIX FRONT: what can stand behind KEY=",
    "    local values= key=$2",
    "    [[ $key =~ ^([^.]+\\.[^.]+)\\.[0-9]+\\.(.+)$ ]] && key=${BASH_REMATCH[1]}.0.${BASH_REMATCH[2]}",
    "    _uniter_values \"$1\" \"$key\"",
    "    if [[ $values == @ ]]; then",
    "        _uniter_files \"$3\"",
    "    elif [[ $values ]]; then",
    "        COMPREPLY=($(compgen -P \"$4\" -W \"$values\" -- \"$3\"))",
    "    fi",
    "}",
    "",
    "_uniter_key() { # COMMAND WORD LAST: a key, its value, or a file",
    "    local keys= flags= front= name last=${3#--}",
    "    _uniter_keys \"$1\"",
    "    if [[ $2 == *=* ]]; then",
    "        name=${2%%=*}",
    "        [[ $COMP_WORDBREAKS == *=* ]] || front=$name=",
    "        _uniter_value \"$1\" \"${name#--}\" \"${2#*=}\" \"$front\"",
    "        return",
    "    fi",
    "    if [[ $1 != run && $3 == --* && $3 != *=* && \" $flags \" != *\" $last \"* &&",
    "        \" $keys \" == *\" $last= \"* ]]; then",
    "        _uniter_value \"$1\" \"$last\" \"$2\" ''",
    "        return",
    "    fi",
    "    if [[ $1 == run && $2 == -* ]]; then",
    "        COMPREPLY=($(compgen -W \"$_uniter_options\" -- \"$2\"))",
    "    elif [[ $2 == -* ]]; then",
    "        COMPREPLY=($(compgen -P -- -W \"$keys $flags help\" -- \"${2#--}\"))",
    "    else",
    "        COMPREPLY=($(compgen -W \"$keys\" -- \"$2\"))",
    "        [[ $1 == run ]] || _uniter_files \"$2\"",
    "    fi",
    "    [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null",
    "}",
    "",
    "_uniter() {",
    "    local IFS=$' \\t\\n' line=${COMP_LINE:0:COMP_POINT} word said command= front c n",
    "    word=${line##*[[:space:]]}",
    "    read -ra said <<<\"${line%\"$word\"}\"",
    "    COMPREPLY=()",
    "    for ((n = 3; n > 0; --n)); do",
    "        front=${said[*]:1:n}",
    "        [[ ${#said[@]} -gt n && $'\\n'$_uniter_commands$'\\n' == *$'\\n'\"$front\"$'\\n'* ]] &&",
    "            command=$front && break",
    "    done",
    "    [[ $command ]] && _uniter_key \"$command\" \"$word\" \"${said[-1]}\"",
    "    ((${#said[@]} > 3)) && return",
    "    front=${said[*]:1}",
    "    local next=",
    "    while IFS= read -r c; do",
    "        [[ $front && $c != \"$front \"* ]] && continue",
    "        c=${c#\"${front:+$front }\"}",
    "        next+=\" ${c%% *}\"",
    "    done <<<\"$_uniter_commands\"",
    "    [[ $front ]] || next+=' --help --version'",
    "    COMPREPLY+=($(compgen -W \"$next\" -- \"$word\" | sort -u))",
    "}",
    "",
    "_uniter_dist() {",
    "    local IFS=$' \\t\\n' line=${COMP_LINE:0:COMP_POINT} word said",
    "    word=${line##*[[:space:]]}",
    "    read -ra said <<<\"${line%\"$word\"}\"",
    "    COMPREPLY=()",
    "    case ${said[-1]} in",
    "        --cfg) _uniter_files \"$word\" ;;",
    "        --resume)",
    "            COMPREPLY=($(compgen -W 'auto none' -- \"$word\"))",
    "            _uniter_files \"$word\"",
    "            ;;",
    "        --bench) ;;",
    "        *) _uniter_key run \"$word\" \"${said[-1]}\" ;;",
    "    esac",
    "}",
    "",
    "complete -F _uniter uniter",
    "complete -F _uniter_dist uniter_dist",
    NULL,
};

void un_manual_bash(FILE *out) {
    fputs("# bash completion of uniter and uniter_dist, made of the programs' own tables\n\n", out);
    write_tables(out);
    un_shell_lines(out, words);
}
