// The interpreter. A warp is a vector of 32 lanes; a register is 32 64-bit slots. Blocks run one after another in an order drawn from the
// seed, warps of a block in turn until each waits. The same pass checks bounds, alignment, divergence and races in shared memory.
#pragma once
#include "card.h"
#include "ptx.h"
#include <array>
#include <bit>
#include <random>
#include <span>
#include <type_traits>

namespace ptx {
using card::Fault;
constexpr uint64_t SHARED_BASE = 0x7000000000000000ull, LOCAL_BASE = 0x6000000000000000ull, WINDOW = 1 << 24;   // generic addresses
constexpr uint32_t ALL = ~0u;
constexpr int LDMATRIX_LANE = 32;   // who reads for other lanes too
enum class Access : uint8_t { READ, WRITE, ATOMIC };

struct Dim {
    unsigned x, y, z;
};
struct Launch {
    Dim grid, block;
    unsigned dynamicShared;
    const uint8_t* params;
    card::Operation* op;
    uint64_t seed;
    card::Counters* count;   // null: nobody counts
};
/** Runs a grid on the calling thread; throws a Fault. */
void run(Kernel&, const Launch&);

struct alignas(64) Register {
    uint64_t lane[32];
};
struct Copy {   // a cp.async
    int lane;
    uint32_t group, dst, bytes, width;
    uint64_t src;
};
struct Warp {
    int id;
    uint32_t alive;             // lanes
    bool waits;                 // at a barrier
    const Inst* at;             // where it waits
    std::array<int, 32> pc;
    std::vector<Register> registers;
    std::vector<uint8_t> local;
    std::vector<Copy> copies;
    std::array<uint32_t, 32> group;
    uint64_t* reg(int r) { return registers[r].lane; }
};
struct Cell {   // a granule of shared memory: its last write
    uint32_t clock;
    uint8_t writer, lane, flags;
};
struct Barrier {
    std::vector<int> waiting, arrived;
    unsigned expected = 0, threads = 0, trues = 0;
    std::vector<std::pair<int, const Inst*>> reductions;
};

struct Vm {
    Kernel& k;
    const Launch& launch;
    const int warpCount;
    const unsigned sharedBytes;
    const int shift;                                // of an address: its cell
    int stride;                                     // of clocks and readers: warps, rounded up for vectors
    std::vector<uint8_t> shared;
    std::vector<Cell> cells;
    std::vector<uint32_t> readers;                  // [cell][warp]: clock and lane of its last read
    std::vector<uint32_t> clocks;                   // [warp][warp]
    uint32_t base = 1;
    std::array<Barrier, 16> barriers;
    std::span<Warp> warps;
    std::vector<card::Allocation*> seen;            // by instruction: the allocation it touched last
    const Inst* current = nullptr;
    uint32_t firstBlock = 0, block = 0;             // numbers that no other launch has
    uint64_t fuel, instructions = 0;
    std::mt19937_64 random;

    Vm(Kernel& k, const Launch& launch);
    [[noreturn]] void fault(int code, const std::string& what);
    std::string where(const Inst* i) const;

    // vm_shared.cpp: shared memory and its races
    uint8_t* sharedAt(Warp& w, int lane, uint32_t address, unsigned n, Access kind);
    void touch(const Warp& w, int lane, uint32_t address, unsigned n, Access kind);
    [[noreturn]] void explainRace(const Warp& w, int lane, unsigned cell, Access kind);
    void mark(uint32_t address, unsigned n, bool inFlight);
    uint32_t* clockOf(int warp) { return &clocks[size_t(warp) * stride]; }
    void newEpoch();
    // vm_async.cpp: cp.async
    void finishCopies(Warp& w, uint32_t lanes, const uint32_t* below);
    // vm_blocks.cpp: races between blocks in global memory
    void touchWords(card::Allocation& a, uint64_t address, unsigned n, Access kind);
    [[noreturn]] void explainBlocks(card::Allocation& a, uint64_t word, Access kind);
    void nextBlock();
    // vm_memory.cpp: global and local memory
    uint8_t* globalAt(uint64_t address, unsigned n, Access kind);
    uint8_t* memoryAt(Warp& w, int lane, Space space, uint64_t address, unsigned n, Access kind);
    // vm_count.cpp
    void countGlobal(const uint64_t* addresses, uint32_t lanes, unsigned n, bool writes);
    void countShared(const uint64_t* addresses, uint32_t lanes, unsigned n);
    // vm_barrier.cpp
    void enterBarrier(Warp& w, const Inst& i, uint32_t lanes);
    void tryRelease(Barrier& b);
    void release(Barrier& b);
    // vm_run.cpp
    void runWarp(Warp& w);
    void runBlock(Dim at);
    void startBlock(Dim at);
    void startLaunch();
    std::string deadlock() const;
    void members(const uint64_t* masks, uint32_t lanes, const char* what);
    void whole(uint32_t lanes, const char* what) {
        if (lanes != ALL) fault(card::LAUNCH_FAILED, std::string(what) + " in divergent code");
    }
};

// ---- values in registers

template <class T> T get(uint64_t v) {
    if constexpr (sizeof(T) == 8) return std::bit_cast<T>(v);
    else if constexpr (sizeof(T) == 4) return std::bit_cast<T>(uint32_t(v));
    else if constexpr (sizeof(T) == 2) return std::bit_cast<T>(uint16_t(v));
    else return std::bit_cast<T>(uint8_t(v));
}
template <class T> uint64_t put(T v) {
    if constexpr (sizeof(T) == 8) return std::bit_cast<uint64_t>(v);
    else if constexpr (sizeof(T) == 4) return std::bit_cast<uint32_t>(v);
    else if constexpr (sizeof(T) == 2) return std::bit_cast<uint16_t>(v);
    else return std::bit_cast<uint8_t>(v);
}
inline bool on(uint32_t lanes, int l) { return lanes >> l & 1; }

/** Calls f with a value of the integer type. */
template <class F> auto byInteger(Type t, F f) {
    switch (t) {
        case U8: return f(uint8_t{});
        case S8: return f(int8_t{});
        case U16: return f(uint16_t{});
        case S16: return f(int16_t{});
        case U32: return f(uint32_t{});
        case S32: return f(int32_t{});
        case U64: return f(uint64_t{});
        default: return f(int64_t{});
    }
}
template <class F> auto byType(Type t, F f) {
    if (t == F32) return f(float{});
    if (t == F64) return f(double{});
    return byInteger(t, f);
}

// Handlers made of a function of one lane. Registers may be the same, but only lane by lane: ivdep says so to the vectorizer.
template <class T, class F> constexpr Handler unary(F) {
    return [](Vm&, Warp& w, const Inst& i, uint32_t lanes) {
        uint64_t* d = w.reg(i.dst);
        const uint64_t* a = w.reg(i.src[0]);
#pragma GCC ivdep
        for (int l = 0; l < 32; l++) {
            const uint64_t v = put(F{}(get<T>(a[l])));
            d[l] = on(lanes, l) ? v : d[l];
        }
    };
}
template <class T, class F> constexpr Handler binary(F) {
    return [](Vm&, Warp& w, const Inst& i, uint32_t lanes) {
        uint64_t* d = w.reg(i.dst);
        const uint64_t *a = w.reg(i.src[0]), *b = w.reg(i.src[1]);
        if (lanes == ALL) {
#pragma GCC ivdep
            for (int l = 0; l < 32; l++) d[l] = put(F{}(get<T>(a[l]), get<T>(b[l])));
        } else {
#pragma GCC ivdep
            for (int l = 0; l < 32; l++) {
                const uint64_t v = put(F{}(get<T>(a[l]), get<T>(b[l])));
                d[l] = on(lanes, l) ? v : d[l];
            }
        }
    };
}
template <class T, class F> constexpr Handler ternary(F) {
    return [](Vm&, Warp& w, const Inst& i, uint32_t lanes) {
        uint64_t* d = w.reg(i.dst);
        const uint64_t *a = w.reg(i.src[0]), *b = w.reg(i.src[1]), *c = w.reg(i.src[2]);
        if (lanes == ALL) {
#pragma GCC ivdep
            for (int l = 0; l < 32; l++) d[l] = put(F{}(get<T>(a[l]), get<T>(b[l]), get<T>(c[l])));
        } else {
#pragma GCC ivdep
            for (int l = 0; l < 32; l++) {
                const uint64_t v = put(F{}(get<T>(a[l]), get<T>(b[l]), get<T>(c[l])));
                d[l] = on(lanes, l) ? v : d[l];
            }
        }
    };
}

// Each file knows its own opcodes and returns null for others (vm_handlers.cpp asks them in turn).
Handler integerHandler(const Inst&);
Handler bitHandler(const Inst&);
Handler floatHandler(const Inst&);
Handler halfHandler(const Inst&);
Handler compareHandler(const Inst&);
Handler convertHandler(const Inst&);
Handler moveHandler(const Inst&);
Handler memoryHandler(const Inst&);
Handler warpHandler(const Inst&);
Handler matrixHandler(const Inst&);
Handler asyncHandler(const Inst&);
}  // namespace ptx
