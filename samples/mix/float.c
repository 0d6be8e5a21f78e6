/* The double-precision piece: bodies that attract each other, a polynomial, and a small linear system. */
#include "mix.h"

enum { BODIES = 5, STEPS = 60, SIZE = 12 };

static double square_root(double x)
{
    double r;
    asm("fsqrt.d %0, %1" : "=f"(r) : "f"(x));
    return r;
}

/* uniform in [0, 1) */
static double uniform(u64 *seed) { return (double)(random_next(seed) >> 11) * 0x1p-53; }

static double bodies(u64 *seed)
{
    static double x[BODIES][3], v[BODIES][3], m[BODIES];
    for (int i = 0; i < BODIES; i++) {
        m[i] = 0.1 + uniform(seed);
        for (int k = 0; k < 3; k++) {
            x[i][k] = 10 * uniform(seed);
            v[i][k] = uniform(seed) - 0.5;
        }
    }
    for (int s = 0; s < STEPS; s++) {
        for (int i = 0; i < BODIES; i++)
            for (int j = i + 1; j < BODIES; j++) {
                double d[3], r2 = 0.01;
                for (int k = 0; k < 3; k++) {
                    d[k] = x[i][k] - x[j][k];
                    r2 += d[k] * d[k];
                }
                double f = 0.01 / (r2 * square_root(r2));
                for (int k = 0; k < 3; k++) {
                    v[i][k] -= d[k] * m[j] * f;
                    v[j][k] += d[k] * m[i] * f;
                }
            }
        for (int i = 0; i < BODIES; i++)
            for (int k = 0; k < 3; k++)
                x[i][k] += 0.01 * v[i][k];
    }
    double energy = 0;
    for (int i = 0; i < BODIES; i++)
        energy += 0.5 * m[i] * (v[i][0] * v[i][0] + v[i][1] * v[i][1] + v[i][2] * v[i][2]);
    return energy;
}

/* Gaussian elimination with partial pivoting; returns the sum of the solution. */
static double linear_system(u64 *seed)
{
    static double a[SIZE][SIZE + 1];
    for (int i = 0; i < SIZE; i++)
        for (int j = 0; j <= SIZE; j++)
            a[i][j] = uniform(seed) - 0.5;
    for (int c = 0; c < SIZE; c++) {
        int best = c;
        for (int r = c + 1; r < SIZE; r++)
            if (__builtin_fabs(a[r][c]) > __builtin_fabs(a[best][c]))
                best = r;
        for (int j = c; j <= SIZE; j++) {
            double t = a[c][j];
            a[c][j] = a[best][j];
            a[best][j] = t;
        }
        for (int r = 0; r < SIZE; r++) {
            if (r == c)
                continue;
            double f = a[r][c] / a[c][c];
            for (int j = c; j <= SIZE; j++)
                a[r][j] -= f * a[c][j];
        }
    }
    double sum = 0;
    for (int i = 0; i < SIZE; i++)
        sum += a[i][SIZE] / a[i][i];
    return sum;
}

static double polynomial(u64 *seed)
{
    double sum = 0;
    for (int i = 0; i < 200; i++) {
        double x = uniform(seed) - 0.5, term = 1, s = 1;
        for (int k = 1; k < 12; k++) { /* exp(x) */
            term *= x / k;
            s += term;
        }
        sum += (s32)(s * 1000) + (float)s * 0.5f;
    }
    return sum;
}

double float_work(u64 seed) { return bodies(&seed) + linear_system(&seed) + polynomial(&seed); }
