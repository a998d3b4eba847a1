// Shared memory and its races. Every warp has a vector clock, which barriers join; every cell remembers its last write and, for each warp,
// its last read. An access that is not known to come after a conflicting one is a race, whatever order the warps happen to run in.
// The lanes of a warp run in step here, but on a card they need not: between them __syncwarp (or a barrier) is asked for in the same way.
#include "vm.h"
#include <algorithm>

namespace ptx {
namespace {
enum Flag : uint8_t { IN_FLIGHT = 1, WAS_ATOMIC = 2 };
constexpr uint32_t SEVERAL = 63;   // readers' lane field: more than one
uint32_t packed(uint32_t clock, uint32_t lane) { return clock << 6 | lane; }
}  // namespace

void Vm::explainRace(const Warp& w, int lane, unsigned q, Access kind) {
    const Cell& c = cells[q];
    const std::string cell = "shared memory at " + std::to_string(q << shift), did = kind == Access::READ ? " read by " : " written by ";
    const std::string self = "warp " + std::to_string(w.id), other = "warp " + std::to_string(c.writer);
    if (c.flags & IN_FLIGHT)
        fault(card::LAUNCH_FAILED, cell + did + self + " is the target of a cp.async of " + other + " that has not been waited for");
    const uint32_t* mine = &clocks[size_t(w.id) * stride];
    if (c.writer != w.id && c.clock > mine[c.writer])
        fault(card::LAUNCH_FAILED, "race: " + cell + did + self + ", written by " + other + " with no barrier between");
    const uint32_t* r = &readers[size_t(q) * stride];
    for (int u = 0; u < warpCount; u++)
        if (u != w.id && r[u] > packed(mine[u], SEVERAL))
            fault(card::LAUNCH_FAILED, "race: " + cell + " written by " + self + ", read before by warp " + std::to_string(u)
                    + " with no barrier between");
    const std::string by = lane != LDMATRIX_LANE ? "lane " + std::to_string(lane) : "ldmatrix";
    if (c.writer == w.id && c.clock == mine[w.id] && kind != Access::WRITE)
        fault(card::LAUNCH_FAILED, "race: " + cell + " read by " + by + " of " + self + ", written by its lane " + std::to_string(c.lane)
                + " with no __syncwarp between");
    const uint32_t reader = r[w.id] & SEVERAL;
    fault(card::LAUNCH_FAILED, "race: " + cell + " written by " + by + " of " + self + ", read before by " +
                                   (reader == SEVERAL ? "other lanes" : reader == LDMATRIX_LANE ? "an ldmatrix" : "its lane "
                                           + std::to_string(reader)) + " with no __syncwarp between");
}

void Vm::touch(const Warp& w, int lane, uint32_t a, unsigned n, Access kind) {
    const uint32_t* mine = &clocks[size_t(w.id) * stride];
    const uint32_t now = mine[w.id];
    for (unsigned q = a >> shift, e = (a + n - 1) >> shift; q <= e; q++) {
        Cell& c = cells[q];
        const bool bothAtomic = kind == Access::ATOMIC && c.flags & WAS_ATOMIC;
        if (c.flags & IN_FLIGHT || (c.clock > mine[c.writer] && !bothAtomic)) explainRace(w, lane, q, kind);
        if (kind != Access::WRITE && c.clock == now && c.writer == w.id && c.lane != lane && !bothAtomic) explainRace(w, lane, q, kind);
        uint32_t* r = &readers[size_t(q) * stride];
        if (kind == Access::READ) {
            const uint32_t last = r[w.id];
            r[w.id] = last >> 6 == now && (last & SEVERAL) != uint32_t(lane) ? packed(now, SEVERAL) : packed(now, lane);
            continue;
        }
        bool race = false;
        for (int u = 0; u < stride; u++) race |= r[u] > packed(mine[u], SEVERAL);
        if (race || (r[w.id] >> 6 == now && (r[w.id] & SEVERAL) != uint32_t(lane))) explainRace(w, lane, q, kind);
        c = {now, uint8_t(w.id), uint8_t(lane), uint8_t(kind == Access::ATOMIC ? WAS_ATOMIC : 0)};
    }
}

void Vm::mark(uint32_t a, unsigned n, bool inFlight) {
    for (unsigned q = a >> shift, e = (a + n - 1) >> shift; q <= e; q++) cells[q].flags = inFlight ? IN_FLIGHT : 0;
}

uint8_t* Vm::sharedAt(Warp& w, int lane, uint32_t a, unsigned n, Access kind) {
    if (uint64_t(a) + n > sharedBytes)
        fault(card::ILLEGAL_ADDRESS, "shared memory access at " + std::to_string(a) + ", " + std::to_string(n) + " bytes, beyond the "
                + std::to_string(sharedBytes) + " bytes of the block");
    touch(w, lane, a, n, kind);
    return shared.data() + a;
}

/** A block starts: everything before it happened before it. */
void Vm::newEpoch() {
    std::fill(shared.begin(), shared.end(), 0xff);
    uint32_t top = base;
    for (uint32_t c : clocks) top = std::max(top, c);
    if (top > 1u << 25) {   // the clocks would soon not fit beside the lane
        std::fill(cells.begin(), cells.end(), Cell{});
        std::fill(readers.begin(), readers.end(), 0);
        top = 0;
    }
    base = top + 1;
    std::fill(clocks.begin(), clocks.end(), base - 1);
    for (int w = 0; w < warpCount; w++) clockOf(w)[w] = base;
    for (auto& c : cells) c.flags = 0;
}
}  // namespace ptx
