"""Seeds: whole numbers, NumPy Generators or None, and the generators made from them."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from .specification import check_count

Seed: TypeAlias = "int | np.random.Generator | None"  # a string: NumPy loads its generators when they are used


def check_seed(seed: Seed) -> Seed:
    """A seed with whole numbers as Python ints.

    Raises:
        TypeError: It is no whole number, Generator or None.
        ValueError: It is negative.

    Example:
        >>> check_seed(np.int64(3))
        3
    """
    return seed if seed is None or isinstance(seed, np.random.Generator) else check_count(seed, "seed", 0)


def weight_generators(seed: Seed) -> tuple[np.random.Generator, np.random.Generator]:
    """The generator that first weights are drawn from, and the one that trainers' seeds are drawn from.

    They are independent, except that a Generator of the user's serves for both.

    Example:
        >>> weights, _ = weight_generators(0)
        >>> weights.random() == np.random.default_rng(0).random()
        True
    """
    if isinstance(seed, np.random.Generator):
        return seed, seed
    sequence = np.random.SeedSequence(seed)
    return np.random.default_rng(sequence), np.random.default_rng(sequence.spawn(1)[0])


def seed_words(generator: np.random.Generator) -> list[int]:
    """Four words that tell generators of different seeds apart, and stay the same however many numbers were drawn.

    A generator without a seed sequence, such as a legacy one, gives four numbers of its stream instead.

    Example:
        >>> generator = np.random.default_rng(0)
        >>> before = seed_words(generator)
        >>> _ = generator.random(10)
        >>> seed_words(generator) == before
        True
    """
    sequence = generator.bit_generator.seed_seq
    try:
        return [int(word) for word in sequence.generate_state(4)]
    except (AttributeError, NotImplementedError):
        return [int(word) for word in generator.integers(2**32, size=4)]
