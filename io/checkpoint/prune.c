/* Which checkpoints of a run go (folder.h). */
#include "io/checkpoint/best.h"
#include "io/checkpoint/folder.h"
#include "runtime/memory.h"

/* From the newest on, so that permanent ones among the `keep` newest count as such. */
enum un_status un_checkpoint_folder_prune(const char *run_dir, int64_t keep, int64_t every, int64_t step) {
    if (keep <= 0) return UN_OK;
    struct un_checkpoint_folder *list;
    struct un_checkpoint_best best;
    int64_t n, seen = 0;
    UN_TRY(un_checkpoint_best_read(run_dir, &best));
    UN_TRY(un_checkpoint_folder_list(run_dir, &list, &n));
    enum un_status status = UN_OK;
    for (int64_t i = n - 1; i >= 0; --i) { /* `step` is one of the newest even where later ones are there */
        bool stays = list[i].step == step || !un_checkpoint_folder_whole(run_dir, &list[i]);
        if (stays) continue;
        stays = ++seen < keep || (every > 0 && list[i].step % every == 0) || list[i].step == best.step;
        if (stays || status != UN_OK) continue;
        status = un_checkpoint_folder_remove(run_dir, list[i].step);
    }
    un_free(list);
    return status;
}
