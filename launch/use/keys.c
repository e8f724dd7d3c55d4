#include "launch/use/keys.h"
#include "runtime/config/keys.h"

static const char *const precisions[] = {"auto", "fp32", "bf16", NULL};
static const char *const cases[] = {"auto", "cased", "uncased", NULL};

static const struct un_key keys[] = {
    UN_KEY_PATHS(un_use_keys, images, UN_REQUIRED, "feature files (*.img.h5) or patterns"),
    UN_KEY_PATHS(un_use_keys, text, "[]",
                 "text files (*.txt.h5) or patterns: every text with its image, or those that are named"),
    UN_KEY_PATH(un_use_keys, pairs, "", "file",
                "image id TAB text id a line, with `text`; image id TAB sentence with `vocab`"),
    UN_KEY_PATH(
        un_use_keys, vocab, "", "file",
        "WordPiece vocabulary for sentences (vocab.txt, tokenizer.json), that of the network's training"),
    UN_KEY_CHOICE_NAMED(
        "case", un_use_keys, letter_case, "auto", cases,
        "auto: as tokenizer.json says, or cased where one piece in fifty has a capital letter"),
    UN_KEY_CHOICE(un_use_keys, device, "auto", un_device_names, "where the network runs"),
    UN_KEY_CHOICE(un_use_keys, precision, "auto", precisions, "auto: bf16 on a card, fp32 on the CPU"),
    UN_KEY_INT(un_use_keys, threads, "0", 0, 1024, "threads", "0: as many as the process may use"),
    UN_KEY_INT(un_use_keys, tokens, "8192", 8, 1048576, "tokens",
               "of a pass: words, special tokens, regions"),
    UN_KEY_INT_AUTO(
        un_use_keys, num_attention_heads, 1, 1024, "",
        "auto: as the run's configuration or the file's metadata say, else a head for 64 of the width"),
    UN_KEY_FLOAT(un_use_keys, conf_th, "-2", -2, 1, "",
                 "least confidence of a region; -1: exactly num_bb regions; -2: that of the run, else 0.2"),
    UN_KEY_INT(un_use_keys, min_bb, "-2", -2, 65535, "regions", "at least; -2: that of the run, else 10"),
    UN_KEY_INT(un_use_keys, max_bb, "-2", -2, 65535, "regions", "at most; -2: that of the run, else 100"),
    UN_KEY_INT(un_use_keys, num_bb, "-2", -2, 65535, "regions",
               "under conf_th: -1; -2: that of the run, else 36"),
    UN_KEY_INT(un_use_keys, max_txt_len, "-2", -2, 65535, "words",
               "longer texts of `text` are left out; -2: that of the run, else 60"),
};
const struct un_key_table un_use_key_table = UN_KEY_TABLE("", un_use_keys, keys);
