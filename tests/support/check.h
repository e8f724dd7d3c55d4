/* cmocka and the headers it forgets, and an assertion on doubles that prints both. */
#ifndef UN_TESTS_SUPPORT_CHECK_H
#define UN_TESTS_SUPPORT_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

static inline void check_near(double got, double want, double tolerance, const char *file, int line) {
    if (fabs(got - want) <= tolerance) return; /* false for NaN */
    print_error("%.17g is not %.17g within %g\n", got, want, tolerance);
    _fail(file, line);
}
#define assert_near(got, want, tolerance) check_near((got), (want), (tolerance), __FILE__, __LINE__)

#endif
