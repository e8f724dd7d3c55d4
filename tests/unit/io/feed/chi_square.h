/* Chi-square bounds: the 1 - 1e-6 quantile or beyond (Wilson-Hilferty, 5 sigma), so that a pass at the fixed
 * seeds says something and a change of seed does not fail by chance. */
#ifndef UN_TESTS_UNIT_IO_FEED_CHI_SQUARE_H
#define UN_TESTS_UNIT_IO_FEED_CHI_SQUARE_H

#include "tests/support/world.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static inline void assert_chi_square(double chi, int64_t freedom) {
    double k = (double)freedom, a = 2 / (9 * k), root = 1 - a + 5 * sqrt(a);
    if (!(chi < k * root * root * root))
        fail_msg("chi-square %.1f of %lld degrees of freedom, bound %.1f", chi, (long long)freedom,
                 k * root * root * root);
}

#endif
