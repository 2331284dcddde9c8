"""How simulated people react to posts: seeded figures, recorded cascades, comments."""
