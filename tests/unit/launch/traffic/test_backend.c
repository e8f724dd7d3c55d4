/* Who may talk from card to card: every rank has one of its own. */
#include "launch/traffic/backend.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void expect(const struct un_backend_card *cards, int size, bool apart, const char *first,
                   const char *second) {
    char why[256] = "";
    assert_true(un_backend_apart(cards, size, why, sizeof why) == apart);
    if (apart) return;
    assert_non_null(strstr(why, first));
    assert_non_null(strstr(why, second));
}

static void test_apart(void **state) {
    (void)state;
    struct un_backend_card cards[4] = {
        {"GPU-a", "one", 0}, {"GPU-b", "one", 0}, {"GPU-a", "two", 1}, {"GPU-b", "two", 1}};
    expect(cards, 4, true, "", ""); /* the same id on another host is another card, as bus ids are */
    cards[3].id[0] = '\0';
    expect(cards, 4, false, "rank 3 on two", "CPU");
    cards[3] = cards[2];
    expect(cards, 4, false, "ranks 2 and 3 on two", "GPU-a");
    expect(cards, 3, true, "", "");
    cards[1] = cards[0];
    expect(cards, 4, false, "ranks 0 and 1 on one", "GPU-a");
    cards[0].id[0] = '\0';
    expect(cards, 1, false, "rank 0 on one", "CPU");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_apart)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
