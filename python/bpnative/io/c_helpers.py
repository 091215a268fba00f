"""C functions of layers, forward and backward: what `to_c` writes into its file of those that a network has.

As in `c_functions`: written for double precision, ``@`` for the name of the file.
"""

from __future__ import annotations

FORWARD: dict[str, str] = {
    "dense": """/* z = w x + b: w (n_out, n_in), x (n_in), b (n_out) or NULL. */
static void @dense(const real *w, const real *b, const real *x, real *z, size_t n_in, size_t n_out) {
    size_t o, i;
    for (o = 0; o < n_out; o++) {
        real sum = b == NULL ? 0.0 : b[o];
        for (i = 0; i < n_in; i++) sum += w[o * n_in + i] * x[i];
        z[o] = sum;
    }
}
""",
    "add": """static void @add(const real *a, const real *b, real *y, size_t n) {
    size_t i;
    for (i = 0; i < n; i++) y[i] = a[i] + b[i];
}
""",
    "normalize": """static void @normalize(const real *x, real *y, const real *mean, const real *scale, size_t n) {
    size_t i;
    for (i = 0; i < n; i++) y[i] = (x[i] - mean[i]) * scale[i];
}
""",
    "batch_norm": """/* y = (x - mean) / sqrt(variance + epsilon) w + b, by what training left of mean and variance. */
static void @batch_norm(const real *x, real *y, const real *w, const real *b, const real *mean, const real *variance,
                        real epsilon, size_t n) {
    size_t i;
    for (i = 0; i < n; i++) y[i] = (x[i] - mean[i]) / sqrt(variance[i] + epsilon) * w[i] + b[i];
}
""",
    "layer_norm": """/* y = (x - mean) / sqrt(variance + epsilon) w + b, of the n numbers of x. */
static void @layer_norm(const real *x, real *y, const real *w, const real *b, real epsilon, size_t n) {
    real mean = 0.0, variance = 0.0;
    size_t i;
    for (i = 0; i < n; i++) mean += x[i];
    mean /= (real)n;
    for (i = 0; i < n; i++) variance += (x[i] - mean) * (x[i] - mean);
    variance = sqrt(variance / (real)n + epsilon);
    for (i = 0; i < n; i++) y[i] = (x[i] - mean) / variance * w[i] + b[i];
}
""",
    "rms_norm": """/* y = x / sqrt(mean of squares + epsilon) w, of the n numbers of x. */
static void @rms_norm(const real *x, real *y, const real *w, real epsilon, size_t n) {
    real square = 0.0;
    size_t i;
    for (i = 0; i < n; i++) square += x[i] * x[i];
    square = sqrt(square / (real)n + epsilon);
    for (i = 0; i < n; i++) y[i] = x[i] / square * w[i];
}
""",
    "lookup": """/* The row of a table that is a code's; what is no code counts as the nearest one. */
static size_t @row(real code, size_t codes) {
    return code >= (real)codes ? codes - 1 : code > 0.0 ? (size_t)code : 0;
}

static void @lookup(real code, const real *table, real *y, size_t codes, size_t size) {
    size_t row = @row(code, codes), i;
    for (i = 0; i < size; i++) y[i] = table[row * size + i];
}
""",
}

# One sample back: each adds to the gradients, and to the derivative dx of its input where that is no NULL.
BACKWARD: dict[str, str] = {
    "dense_back": """/* Adds dw = dz x and db = dz of one sample, and dx = dz w, where it is wanted. */
static void @dense_back(const real *w, real *dw, real *db, const real *x, const real *dz, real *dx,
                        size_t n_in, size_t n_out) {
    size_t o, i;
    for (o = 0; o < n_out; o++) {
        if (db != NULL) db[o] += dz[o];
        for (i = 0; i < n_in; i++) dw[o * n_in + i] += dz[o] * x[i];
        if (dx != NULL)
            for (i = 0; i < n_in; i++) dx[i] += dz[o] * w[o * n_in + i];
    }
}
""",
    "layer_norm_back": """
/* With k = (x - mean) / r adds dw = dy k, db = dy and dx = (dy w - mean(dy w) - k mean(dy w k)) / r. */
static void @layer_norm_back(const real *x, const real *dy, real *dx, const real *w, real *dw, real *db,
                             real epsilon, size_t n) {
    real mean = 0.0, r = 0.0, sum = 0.0, dot = 0.0, k;
    size_t i;
    for (i = 0; i < n; i++) mean += x[i];
    mean /= (real)n;
    for (i = 0; i < n; i++) r += (x[i] - mean) * (x[i] - mean);
    r = sqrt(r / (real)n + epsilon);
    for (i = 0; i < n; i++) {
        k = (x[i] - mean) / r;
        dw[i] += dy[i] * k;
        db[i] += dy[i];
        sum += dy[i] * w[i];
        dot += dy[i] * w[i] * k;
    }
    if (dx == NULL) return;
    for (i = 0; i < n; i++) {
        k = (x[i] - mean) / r;
        dx[i] += (dy[i] * w[i] - sum / (real)n - k * dot / (real)n) / r;
    }
}
""",
    "rms_norm_back": """/* With k = x / r: adds dw = dy k, dx = (dy w - k mean(dy w k)) / r. */
static void @rms_norm_back(const real *x, const real *dy, real *dx, const real *w, real *dw, real epsilon, size_t n) {
    real r = 0.0, dot = 0.0;
    size_t i;
    for (i = 0; i < n; i++) r += x[i] * x[i];
    r = sqrt(r / (real)n + epsilon);
    for (i = 0; i < n; i++) {
        dw[i] += dy[i] * (x[i] / r);
        dot += dy[i] * w[i] * (x[i] / r);
    }
    if (dx == NULL) return;
    for (i = 0; i < n; i++) dx[i] += (dy[i] * w[i] - x[i] / r * dot / (real)n) / r;
}
""",
    "lookup_back": """static void @lookup_back(real code, real *dtable, const real *dy, size_t codes, size_t size) {
    size_t row = @row(code, codes), i;
    for (i = 0; i < size; i++) dtable[row * size + i] += dy[i];
}
""",
}
