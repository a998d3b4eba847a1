// Counters of memory traffic, as a card's profiler would show them.
#include "vm.h"
#include <algorithm>

namespace ptx {
void Vm::countGlobal(const uint64_t* addresses, uint32_t lanes, unsigned n, bool writes) {
    uint64_t sectors[64];
    int found = 0;
    for (int l = 0; l < 32; l++) {
        if (!on(lanes, l)) continue;
        for (uint64_t s = addresses[l] / 32, e = (addresses[l] + n - 1) / 32; s <= e && found < 64; s++)
            if (std::find(sectors, sectors + found, s) == sectors + found) sectors[found++] = s;
    }
    const uint64_t bytes = uint64_t(std::popcount(lanes)) * n;
    (writes ? launch.count->bytesWritten : launch.count->bytesRead) += bytes;
    (writes ? launch.count->sectorsWritten : launch.count->sectorsRead) += found;
}

/** 32 banks of 4 bytes. Lanes are served in groups of 128 bytes; within a group every further word of a bank costs a pass. */
void Vm::countShared(const uint64_t* addresses, uint32_t lanes, unsigned n) {
    const int group = n <= 4 ? 32 : n == 8 ? 16 : 8;
    for (int first = 0; first < 32; first += group) {
        uint64_t words[32][32];
        int inBank[32] = {}, worst = 0;
        for (int l = first; l < first + group; l++) {
            if (!on(lanes, l)) continue;
            for (uint64_t word = addresses[l] / 4, e = (addresses[l] + n - 1) / 4; word <= e; word++) {
                uint64_t* bank = words[word % 32];
                int& used = inBank[word % 32];
                if (std::find(bank, bank + used, word) == bank + used && used < 32) bank[used++] = word;
                worst = std::max(worst, used);
            }
        }
        if (!worst) continue;
        launch.count->sharedAccesses++;
        launch.count->sharedWavefronts += worst;
    }
}
}  // namespace ptx
