/* math.h: hand-written stub, see stdio.h. SPDX-License-Identifier: MIT */
#ifndef DARWIN_MATH_H
#define DARWIN_MATH_H

#define NAN __builtin_nanf("")
#define INFINITY __builtin_inff()
#define HUGE_VAL __builtin_inf()
#define isnan(x) __builtin_isnan(x)
#define isinf(x) __builtin_isinf(x)
#define isfinite(x) __builtin_isfinite(x)
#define signbit(x) __builtin_signbit(x)

float fabsf(float x);
double fabs(double x);
double floor(double x);
double ceil(double x);
double sqrt(double x);
double frexp(double x, int *e);
double ldexp(double x, int e);
double copysign(double x, double y);
double nextafter(double x, double y);
int ilogb(double x);

#endif
