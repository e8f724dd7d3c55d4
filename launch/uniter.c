/* uniter: the tools beside the training, one process, no MPI. Finds the command in the tables of tools.h. */
#include "launch/process/begin.h"
#include "launch/process/end.h"
#include "launch/tools/tools.h"
#include "runtime/memory.h"
#include "runtime/restart.h"

#include <stdio.h>
#include <string.h>

#ifndef UN_VERSION
#define UN_VERSION "unknown"
#endif

/* Words of the tool's name, if it is called; else 0. */
static int words_called(const struct un_tool *tool, int argc, char **argv) {
    const char *words[] = {tool->group, tool->name, tool->form};
    int n = 0;
    for (; n < 3 && words[n]; ++n)
        if (n + 1 >= argc || strcmp(argv[n + 1], words[n]) != 0) return 0;
    return n;
}

/* Do the words said begin a command, without naming one? Then all that begin so are listed. */
static bool list_group(int argc, char **argv) {
    const struct un_tool *tool;
    bool any = false;
    for (int i = 0; (tool = un_tool_at(i)) != NULL; ++i) {
        const char *words[] = {tool->group, tool->name, tool->form};
        bool fits = argc - 1 < 3;
        for (int k = 0; k < argc - 1 && fits; ++k) fits = words[k] && strcmp(words[k], argv[k + 1]) == 0;
        if (!fits) continue;
        if (!any) fputs("what can follow:\n", stderr);
        any = true;
        fputs("  ", stderr);
        un_tool_head(tool, stderr);
        fprintf(stderr, "  %s\n", tool->meaning);
    }
    return any;
}

static enum un_status unknown(int argc, char **argv) {
    const char *near = NULL, *forms[64];
    char said[3][64] = {"", "", ""};
    const struct un_tool *tool;
    int n = 0;
    for (int i = 0; i < 3 && i + 1 < argc; ++i) snprintf(said[i], sizeof said[i], "%s", argv[i + 1]);
    /* the longest front that is right decides which word is to be mended */
    for (int depth = 2; depth >= 0 && n == 0; --depth)
        for (int i = 0; (tool = un_tool_at(i)) != NULL && n < 64; ++i) {
            const char *word[] = {tool->group, tool->name, tool->form};
            bool fits = word[depth] != NULL;
            for (int d = 0; d < depth && fits; ++d) fits = strcmp(word[d], said[d]) == 0;
            if (fits) forms[n++] = word[depth];
            if (fits && said[depth][0]) near = un_config_nearest(said[depth], forms, n);
        }
    if (near)
        return un_fail(UN_USAGE, "unknown command: uniter %s %s %s; did you mean %s?", said[0], said[1],
                       said[2], near);
    return un_fail(UN_USAGE, "unknown command: uniter %s %s %s (see uniter --help)", said[0], said[1],
                   said[2]);
}

/* OpenBLAS, which every command loads, may then spin beside the work and at its end (restart.c). */
static bool short_of_memory(void) {
    char limit[96];
    un_memory_limit(limit, sizeof limit);
    return limit[0] != '\0';
}

static enum un_status dispatch(int argc, char **argv) {
    const struct un_tool *tool;
    if (argc < 2) return un_fail(UN_USAGE, "a command is needed (see uniter --help)");
    for (int i = 0; (tool = un_tool_at(i)) != NULL; ++i) {
        int words = words_called(tool, argc, argv) + 1;
        if (words == 1) continue;
        if (argc == words + 1 && (strcmp(argv[words], "--help") == 0 || strcmp(argv[words], "-h") == 0)) {
            un_tool_help(tool, stdout);
            return UN_OK;
        }
        if (un_tool_is_network(tool) || short_of_memory()) un_restart_prepare(argv);
        return tool->run(tool, argc - words, argv + words);
    }
    if (list_group(argc, argv))
        return un_fail(UN_USAGE, "uniter %s%s%s is the beginning of a command", argv[1], argc > 2 ? " " : "",
                       argc > 2 ? argv[2] : "");
    return unknown(argc, argv);
}

int main(int argc, char **argv) {
    un_begin();
    bool asked = argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
    if (asked || (argc == 2 && strcmp(argv[1], "--version") == 0)) {
        if (asked)
            un_tools_help(stdout);
        else
            printf("uniter %s\n", UN_VERSION);
        un_end(UN_OK);
    }
    enum un_status status = dispatch(argc, argv);
    un_say(status);
    un_end(status);
}
