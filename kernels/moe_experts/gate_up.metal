    // activation[pair, row] = silu(gate[expert, row] . x) * (up[expert, row] . x), for each pair of
    // a token and one of its experts. One SIMD group makes ROWS rows of one pair; its lanes share
    // the columns, sixteen at a time. A threadgroup is SIMDS such SIMD groups, side by side.
    constexpr uint COLUMNS = 16;
    constexpr uint WORDS = D / 8;
    constexpr uint GROUPS = D / 64;
    uint lane = thread_index_in_simdgroup;
    uint pair = threadgroup_position_in_grid.z;
    uint block = threadgroup_position_in_grid.y * SIMDS + simdgroup_index_in_threadgroup;
    uint first = block * ROWS;
    size_t expert = indices[pair];
    size_t token = size_t(pair / K) * D;

    float gate[ROWS];
    float up[ROWS];
    for (int r = 0; r < ROWS; r++) {
        gate[r] = 0.0f;
        up[r] = 0.0f;
    }
    for (uint column = lane * COLUMNS; column < D; column += 32 * COLUMNS) {
        float part[COLUMNS];
        float sum = 0.0f;
        for (uint i = 0; i < COLUMNS; i++) {
            float value = static_cast<float>(x[token + column + i]);
            sum += value;
            part[i] = value * unshift(int(i % 4));
        }
        for (uint r = 0; r < ROWS; r++) {
            // Rows beyond the last are computed as the last, and not written.
            size_t row = expert * F + metal::min(first + r, uint(F - 1));
            size_t word = row * WORDS + column / 8;
            size_t group = row * GROUPS + column / 64;
            uint2 g = *reinterpret_cast<const device uint2*>(gate_weight + word);
            uint2 u = *reinterpret_cast<const device uint2*>(up_weight + word);
            float of_gate = word_dot(g.x, part) + word_dot(g.y, part + 8);
            float of_up = word_dot(u.x, part) + word_dot(u.y, part + 8);
            gate[r] += static_cast<float>(gate_scales[group]) * of_gate;
            gate[r] += static_cast<float>(gate_biases[group]) * sum;
            up[r] += static_cast<float>(up_scales[group]) * of_up;
            up[r] += static_cast<float>(up_biases[group]) * sum;
        }
    }
    for (uint r = 0; r < ROWS; r++) {
        float g = simd_sum(gate[r]);
        float u = simd_sum(up[r]);
        if (lane == 0 && first + r < F) {
            activation[size_t(pair) * F + first + r] = g / (1.0f + metal::precise::exp(-g)) * u;
        }
    }
