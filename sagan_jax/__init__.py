"""Learning and rendering: aligned faces in, a trained generator and a swapped video out."""
