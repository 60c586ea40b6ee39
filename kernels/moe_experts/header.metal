// What both launches share: sixteen 4-bit numbers of a row per lane, as two words, times sixteen x.

// Numbers are masked where they stand instead of shifted down: the second of four is then 16 times
// too large, the third 256 times, the fourth 4096 times. So x is divided by that beforehand, once
// for all rows; powers of two, so nothing is rounded.
METAL_FUNC float unshift(int place) {
    return place == 0 ? 1.0f : place == 1 ? 0.0625f : place == 2 ? 0.00390625f : 0.000244140625f;
}

METAL_FUNC float word_dot(uint word, const thread float* x) {
    uint low = word & 0xffffu;
    uint high = word >> 16;
    float sum = static_cast<float>(low & 0x000fu) * x[0];
    sum += static_cast<float>(low & 0x00f0u) * x[1];
    sum += static_cast<float>(low & 0x0f00u) * x[2];
    sum += static_cast<float>(low & 0xf000u) * x[3];
    sum += static_cast<float>(high & 0x000fu) * x[4];
    sum += static_cast<float>(high & 0x00f0u) * x[5];
    sum += static_cast<float>(high & 0x0f00u) * x[6];
    sum += static_cast<float>(high & 0xf000u) * x[7];
    return sum;
}
