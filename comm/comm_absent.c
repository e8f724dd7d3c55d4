/* Builds without a message-passing library: one process, and a refusal where a launcher started more. */
#include "comm/comm.h"
#include "comm/launcher.h"

enum un_status un_comm_open_any(int *argc, char ***argv, struct un_comm **comm) {
    (void)argc, (void)argv;
    struct un_launcher launcher = un_launcher_find();
    un_launcher_warn(&launcher, 1);
    return un_comm_open_self(comm);
}

enum un_status un_comm_open(int *argc, char ***argv, struct un_comm **comm) {
    (void)argc, (void)argv;
    struct un_launcher launcher = un_launcher_find();
    if (launcher.size > 1)
        return un_fail(UN_USAGE,
                       "a launcher started %d processes (%s is set), but this build has no MPI: build with "
                       "-DUN_MPI=ON, or start one process",
                       launcher.size, launcher.name);
    UN_TRY(un_launcher_check(&launcher, 1));
    return un_comm_open_self(comm);
}
