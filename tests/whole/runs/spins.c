/* Preloaded by test_starts.py: a library whose constructor never comes to its end, as OpenBLAS's where addresses are limited. */
__attribute__((constructor)) static void spin(void) {
    for (volatile unsigned turn = 0;; ++turn) {
    }
}
