#include "launch/settings/keys.h"
#include "runtime/config/keys.h"

static const char *const mixing_names[] = {"sample", "batch", NULL};
static const char *const mask_names[] = {"one", "both", NULL};
static const char *const precision_names[] = {"auto", "fp32", "tf32", "bf16", "fp8", NULL};

static const struct un_key run_keys[] = {
    UN_KEY_PATH(un_run_keys, dir, UN_REQUIRED, "folder", "the run's folder: config.yaml, log/, ckpt/"),
    UN_KEY_INT(un_run_keys, seed, "42", 0, 9e15, "", "key of every random number of the run"),
    UN_KEY_PART(un_run_keys, cores, un_cores_key_table),
    UN_KEY_FLOAT(un_run_keys, timeout, "1800", 0, 1e7, "seconds",
                 "a step, collective, checkpoint, validation or start that lasts longer ends the job within "
                 "twice this time and names the ranks that did not arrive; 0: never"),
    UN_KEY_FLOAT(un_run_keys, patience, "30", 5, 1e5, "seconds",
                 "a start waits so long for another run to leave the folder; one without a sign of life for "
                 "so long is taken over"),
    UN_KEY_BOOL(
        un_run_keys, mixed_machines, "false",
        "ranks may run on processors, cards and builds of different kinds, whose sums differ in the last "
        "digits, and have threads and loaders of their own; false: an error under train.exact"),
    UN_KEY_INT(
        un_run_keys, check_every, "1000", 0, 4e9, "steps",
        "after so many updates, and before every save, ranks compare their parameters; a micro-batch is "
        "computed twice, and memory looked at again a step later; 0: never"),
};
const struct un_key_table un_run_key_table = UN_KEY_TABLE("run", un_run_keys, run_keys);

static const struct un_key train_keys[] = {
    UN_KEY_INT(un_train_keys, steps, UN_REQUIRED, 1, 4e9, "updates",
               "length of the training and of the learning-rate schedule"),
    UN_KEY_INT(un_train_keys, lanes, UN_REQUIRED, 1, 65536, "lanes",
               "independent streams of micro-batches; their gradients make one update"),
    UN_KEY_INT(un_train_keys, tokens_per_lane, UN_REQUIRED, 8, 1048576, "tokens",
               "budget of a micro-batch: words, special tokens, regions"),
    UN_KEY_CHOICE(un_train_keys, mixing, "sample", mixing_names,
                  "draw the objective for every sample, or one for all lanes of a step"),
    UN_KEY_CHOICE(
        un_train_keys, precision, "auto", precision_names,
        "of activations and matrix products; tf32: fp32 with shortened factors in the products; "
        "auto: bf16 on a card, fp32 on the CPU; tf32: cards alone; fp8: bf16, but layers multiply in "
        "8 bits, forward and for the gradients of activations"),
    UN_KEY_INT(
        un_train_keys, fp8_history, "16", 1, 1024, "updates",
        "fp8: a tensor's scale, a power of two, comes from its largest number of so many updates before"),
    UN_KEY_INT(un_train_keys, fp8_after, "100", 1, 4e9, "updates",
               "fp8: so many first updates are in bf16, until largest numbers are known"),
    UN_KEY_BOOL(un_train_keys, graph, "false",
                "a card replays passes of the same shape as graphs: meant for small networks, whose kernels "
                "are shorter than their launches"),
    UN_KEY_BOOL(un_train_keys, exact, "true",
                "add gradients in an order that does not depend on the number of ranks"),
    UN_KEY_FLOAT(un_train_keys, itm_neg_prob, "0.5", 0, 1, "probability",
                 "share of itm pairs that get another image"),
    UN_KEY_FLOAT(un_train_keys, itm_ot_lambda, "0.1", 0, 1e3, "",
                 "weight of the word-region alignment inside itm"),
    UN_KEY_FLOAT(un_train_keys, mrm_prob, "0.15", 0, 1, "probability",
                 "of a region to be masked (mrfr, mrc, mrckl)"),
    UN_KEY_FLOAT(un_train_keys, mlm_prob, "0.15", 0, 1, "probability", "of a word to be masked (mlm)"),
    UN_KEY_CHOICE(un_train_keys, mask, "one", mask_names,
                  "of words and regions the side that is asked, or also the other one, by its probability "
                  "(joint masking)"),
    UN_KEY_INT(un_train_keys, max_skipped, "10", 1, 1e9, "steps",
               "updates skipped in a row (a loss or the gradient not finite) before the run ends"),
    UN_KEY_BOOL(un_train_keys, re_mean, "false",
                "the loss of re and re_rank is the mean over the expressions of a step; false: their sum, as "
                "the published scores were made"),
    UN_KEY_FLOAT(un_train_keys, loss_scale, "1", 1e-9, 1e9, "",
                 "factor of the loss of a step: the authors add up the means of accumulated micro-batches "
                 "without dividing, which clipping feels"),
    UN_KEY_FLOAT(un_train_keys, margin, "0.2", 0, 1, "",
                 "by which right scores are to be above wrong ones (re_rank, itm_rank, itm_hard)"),
    UN_KEY_INT(un_train_keys, negatives, "1", 1, 4, "pairs",
               "itm_rank: wrong images, and as many wrong texts, beside a true pair"),
    UN_KEY_INT(un_train_keys, hard_size, "31", 1, 1023, "pairs",
               "itm_hard: highest candidates that a group is taught with"),
    UN_KEY_INT(un_train_keys, candidates, "399", 1, 65536, "pairs",
               "itm_hard: candidates that are scored for a group"),
    UN_KEY_INT(un_train_keys, samples_per_lane, "0", 0, 1048576, "samples",
               "most samples of a micro-batch, beside its tokens; 0: as many as fit"),
    UN_KEY_FLOAT(un_train_keys, hard_ratio, "0.3", 0, 1, "probability",
                 "re_rank: against the highest wrong region instead of a random one"),
};
const struct un_key_table un_train_key_table = UN_KEY_TABLE("train", un_train_keys, train_keys);

static const struct un_key valid_keys[] = {
    UN_KEY_INT(un_valid_keys, every, "5000", 0, 4e9, "steps",
               "a validation after so many updates and at the end; 0: only at the end"),
    UN_KEY_BOOL(
        un_valid_keys, retrieval, "false",
        "a validation of itm_rank or itm_hard also scores every text against every image, texts whole; the "
        "mean of the six recalls then says which checkpoint is the best"),
};
const struct un_key_table un_valid_key_table = UN_KEY_TABLE("valid", un_valid_keys, valid_keys);
