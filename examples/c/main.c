/* Reads three digits with the network in digits.c, then learns one of them by heart. */
#include <stdio.h>

#include "digits.c"
#include "samples.h"

static int largest(const float *y) {
    int best = 0, i;
    for (i = 1; i < DIGITS_OUTPUTS; i++)
        if (y[i] > y[best]) best = i;
    return best;
}

int main(void) {
    static digits_learner learner;
    float y[DIGITS_OUTPUTS], scratch[DIGITS_SCRATCH], target[DIGITS_OUTPUTS] = {0};
    int i;
    for (i = 0; i < 3; i++) {
        digits_predict(samples + i * DIGITS_INPUTS, y, scratch);
        printf("a %d, read as %d\n", labels[i], largest(y));
    }
    digits_begin(&learner);
    target[labels[0]] = 1;
    for (i = 0; i < 3; i++)
        printf("loss %.4f\n", (double)digits_step(&learner, samples, target, 1, DIGITS_LEARNING_RATE));
    return 0;
}
