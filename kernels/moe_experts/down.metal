    // y[token, row] = sum over the token's experts of score * (down[expert, row] . activation).
    // A threadgroup makes ROWS rows of one token. Its SIMDS SIMD groups share out the experts, the
    // lanes of each the columns, sixteen at a time; the SIMD groups' sums meet in threadgroup
    // memory, always in the same order.
    constexpr uint COLUMNS = 16;
    constexpr uint WORDS = F / 8;
    constexpr uint GROUPS = F / 64;
    threadgroup float sums[SIMDS * ROWS];
    uint lane = thread_index_in_simdgroup;
    uint share = simdgroup_index_in_threadgroup;
    uint token = threadgroup_position_in_grid.z;
    uint first = threadgroup_position_in_grid.x * ROWS;

    float total[ROWS];
    for (int r = 0; r < ROWS; r++) {
        total[r] = 0.0f;
    }
    for (uint slot = share; slot < K; slot += SIMDS) {
        size_t pair = size_t(token) * K + slot;
        size_t expert = indices[pair];
        float score = static_cast<float>(scores[pair]);
        for (uint column = lane * COLUMNS; column < F; column += 32 * COLUMNS) {
            float part[COLUMNS];
            float sum = 0.0f;
            for (uint i = 0; i < COLUMNS; i++) {
                float value = activation[pair * F + column + i] * score;
                sum += value;
                part[i] = value * unshift(int(i % 4));
            }
            for (uint r = 0; r < ROWS; r++) {
                // Rows beyond the last are computed as the last, and not written.
                size_t row = expert * D + metal::min(first + r, uint(D - 1));
                size_t group = row * GROUPS + column / 64;
                uint2 w = *reinterpret_cast<const device uint2*>(
                    down_weight + row * WORDS + column / 8);
                float of_row = word_dot(w.x, part) + word_dot(w.y, part + 8);
                total[r] += static_cast<float>(down_scales[group]) * of_row;
                total[r] += static_cast<float>(down_biases[group]) * sum;
            }
        }
    }
    for (uint r = 0; r < ROWS; r++) {
        float sum = simd_sum(total[r]);
        if (lane == 0) {
            sums[share * ROWS + r] = sum;
        }
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    uint thread_index = share * 32 + lane;
    if (thread_index < ROWS && first + thread_index < D) {
        float sum = 0.0f;
        for (uint s = 0; s < SIMDS; s++) {
            sum += sums[s * ROWS + thread_index];
        }
        y[size_t(token) * D + first + thread_index] = static_cast<T>(sum);
    }
