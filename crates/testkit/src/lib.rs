//! What tests share: a virtual clock, seeded randomness, a running gateway, a real browser and an adversary.
