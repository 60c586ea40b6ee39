    // The body only: mlx writes the signature from the names that it finds here.
    uint i = thread_position_in_grid.x;
    if (i < N) {
        float g = static_cast<float>(gate[i]);
        y[i] = static_cast<T>(g / (1.0f + metal::exp(-g)) * static_cast<float>(up[i]));
    }
