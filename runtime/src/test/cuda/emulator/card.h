// What kernels and copies share with the driver: memory, the order of work in streams, faults, settings. One call runs at a time (driver.h),
// so nothing here is guarded.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace card {

enum Status {
    OK = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, NOT_INITIALIZED = 3, INVALID_DEVICE = 101, INVALID_CONTEXT = 201, NO_BINARY = 209, ECC = 214,
    PEER_UNSUPPORTED = 217, INVALID_PTX = 218, UNSUPPORTED_PTX = 222, INVALID_HANDLE = 400, NOT_FOUND = 500, NOT_READY = 600, ILLEGAL_ADDRESS = 700,
    LAUNCH_TIMEOUT = 702, PEER_ENABLED = 704, PEER_NOT_ENABLED = 705, HOST_REGISTERED = 712, HOST_NOT_REGISTERED = 713, MISALIGNED = 716,
            LAUNCH_FAILED = 719,
    NOT_PERMITTED = 800, NOT_SUPPORTED = 801
};

/** Ends a kernel or another operation; the context is unusable from then on, as on a card. */
struct Fault {
    int code;
    std::string what;
};

/** By name, so that tests can change them while a process runs (driver_test.cpp). */
struct Settings {
    int64_t devices = 1;
    int64_t memory = 2ll << 30;          // bytes a device
    int64_t capability = 80;             // 80, 86, 89, 90, 100
    int64_t multiprocessors = 0;         // 0: as many as the first card of that capability
    int64_t driver = 13000;              // what cuDriverGetVersion says; newer PTX is refused, as the driver does
    int64_t lazy = 0;                    // 1: work runs only when somebody waits for it
    int64_t seed = 1;                    // of the order of blocks and warps
    int64_t fuel = 200'000'000;          // warp instructions a launch may take
    int64_t counters = 0;
    int64_t peers = 1;                   // whether devices can reach each other's memory
    int64_t trace = 1;                   // on stderr: 1 faults, 2 every refused call too
};
extern Settings settings;

// ---- order: what is known to happen before what

/** For every stream the number of its operations that are known to be over. */
struct Clock {
    std::vector<uint32_t> at;
    void join(const Clock& other);
    void join(int stream, uint32_t sequence);
    uint32_t of(int stream) const { return size_t(stream) < at.size() ? at[stream] : 0; }
};

struct Context;
struct Stream;

/** A piece of work in a stream: a launch, a copy, a wait. */
struct Operation {
    uint32_t id = 0, sequence = 0;
    int stream = 0;
    Context* context = nullptr;
    std::string what;
    bool copies = false;                                      // a copy engine reaches all devices, a kernel its peers
    Clock clock;                                              // what happened before it
    std::vector<std::pair<Stream*, uint32_t>> after;          // what must run before it
    std::function<void(Operation&)> run;
    uint32_t known[16] = {};                                  // operations that are known to be before this one
};

// ---- memory

enum class Kind : uint8_t { DEVICE, ORDERED, VARIABLE, PINNED, REGISTERED };

/** Addresses are never used twice, so that a pointer that outlived its allocation always tells. */
struct Allocation {
    uint64_t base = 0;
    size_t size = 0;
    Kind kind = Kind::DEVICE;
    int device = 0;
    Context* context = nullptr;
    bool freed = false;                        // gone
    bool freeing = false;                      // cuMemFreeAsync was called: work that is not known to be before it may not touch it
    int bornStream = 0;                        // of a stream-ordered allocation
    uint32_t bornAt = 0;
    Clock freeClock;
    std::string freedBy;
    std::map<int, uint32_t> uses;              // stream -> its last operation that touched this
    uint32_t admitted = 0;                     // the operation that was last let in
    struct Sector {
        uint32_t writer, reader;               // operations
    };
    Sector* sectors = nullptr;                 // of 16 bytes, the widest access of a lane: zero pages until touched
    uint32_t* writers = nullptr;               // of each word of 4 bytes: the block, see vm_blocks.cpp
};

/** Alive or freed, null when no allocation ever held this address. */
Allocation* find(uint64_t address);
/** The allocation that holds n bytes at this address, if the operation may touch it; else a fault that says why. */
Allocation& reach(Operation& op, uint64_t address, size_t n);
/** Another operation touched this sector last: a fault unless it is known to come first. */
void settle(Operation& op, Allocation& a, Allocation::Sector& s, bool writes);
/** Remembers that an operation reads or writes; a fault if another did on another stream, with neither known to come first. */
inline void touch(Operation& op, Allocation& a, uint64_t address, size_t n, bool writes) {
    for (uint64_t q = (address - a.base) / 16, e = (address - a.base + n - 1) / 16; q <= e; q++) {
        Allocation::Sector& s = a.sectors[q];
        if (writes) {
            if (s.writer != op.id || s.reader != op.id) settle(op, a, s, true);
            s.writer = s.reader = op.id;
        } else {
            if (s.writer && s.writer != op.id && op.known[s.writer % 16] != s.writer) settle(op, a, s, false);
            s.reader = op.id;
        }
    }
}
/** "32 bytes at 7f.. (offset 96 of an allocation of 100 bytes on device 0)". */
std::string describe(uint64_t address, size_t n);

/** Fresh memory holds 0xff.. (NaN). Null when the device has not as much left. */
Allocation* allocate(Context* context, int device, size_t size, Kind kind);
/** Host memory that somebody else allocated. */
Allocation* adopt(Context* context, void* host, size_t size);
void release(Allocation& a, const std::string& by);
/** cuMemFreeAsync: from this operation on. A fault when work on another stream that is not known to be over has touched it. */
void releaseInOrder(Operation& op, Allocation& a);
size_t usedBytes(int device);
void eachAllocation(const std::function<void(Allocation&)>& f);   // that is alive

/** Gives an operation its number and remembers it for explanations. */
void enroll(Operation& op);
bool hasPeer(const Context* from, const Context* to);   // driver_context.cpp

// ---- counters, by kernel

struct Counters {
    uint64_t launches, warpInstructions, threadInstructions, flops, tensorFlops;
    uint64_t bytesRead, bytesWritten, sectorsRead, sectorsWritten;   // of global memory; a sector is 32 bytes, counted once per warp access
    uint64_t sharedAccesses, sharedWavefronts;                       // passes over the banks: without conflicts, and as they are
};
extern std::map<std::string, Counters> counters;

}  // namespace card
