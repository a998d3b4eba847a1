// Memory of the devices: host memory in a range of addresses that is handed out once. What is freed loses its pages and keeps its addresses.
#include "card.h"
#include <algorithm>
#include <cstring>
#include <deque>
#include <memory>
#include <sys/mman.h>

namespace card {
Settings settings;
std::map<std::string, Counters> counters;

namespace {
constexpr size_t PAGE = 4096, RANGE = 1ull << 44;
constexpr size_t POISONED = 256 << 20;   // of an allocation; the rest of a larger one is zeros, which costs nothing until touched
std::map<uint64_t, std::unique_ptr<Allocation>> allocations;   // also those that were freed, for explanations
std::deque<uint64_t> freed;                                    // the latest of them
constexpr size_t REMEMBERED = 20'000;
size_t used[64];

char* nextPages(size_t bytes) {
    static char* next = static_cast<char*>(mmap(nullptr, RANGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    char* p = next;
    next += bytes + PAGE;   // a page between two allocations belongs to nobody
    if (mprotect(p, bytes, PROT_READ | PROT_WRITE)) return nullptr;
    return p;
}
void* zeroPages(size_t bytes) { return mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0); }
size_t sectorBytes(const Allocation& a) { return (a.size / 16 + 2) * sizeof(Allocation::Sector); }
size_t wordBytes(const Allocation& a) { return (a.size / 4 + 2) * sizeof(uint32_t); }
bool isDevice(Kind k) { return k == Kind::DEVICE || k == Kind::ORDERED; }

Allocation* enter(std::unique_ptr<Allocation> a) {
    a->sectors = static_cast<Allocation::Sector*>(zeroPages(sectorBytes(*a)));
    a->writers = static_cast<uint32_t*>(zeroPages(wordBytes(*a)));
    if (isDevice(a->kind)) used[a->device] += a->size;
    Allocation* p = a.get();
    allocations[a->base] = std::move(a);
    return p;
}
/** The allocation that begins last at or before an address. */
Allocation* nearest(uint64_t p) {
    auto i = allocations.upper_bound(p);
    return i == allocations.begin() ? nullptr : std::prev(i)->second.get();
}
[[noreturn]] void illegal(const Operation& op, uint64_t p, size_t n, const std::string& why) {
    throw Fault{ILLEGAL_ADDRESS, "memory access by " + op.what + ": " + describe(p, n) + why};
}
}  // namespace

Allocation* find(uint64_t p) {
    Allocation* a = nearest(p);
    return a && p < a->base + a->size ? a : nullptr;
}

std::string describe(uint64_t p, size_t n) {
    char t[200];
    const Allocation* a = nearest(p);
    if (!a || p >= a->base + a->size + PAGE) {
        snprintf(t, sizeof t, "%zu bytes at %llx, outside of every allocation", n, (unsigned long long)p);
    } else {
        snprintf(t, sizeof t, "%zu bytes at offset %llu of an allocation of %zu bytes (%llx, device %d)%s", n,
                (unsigned long long)(p - a->base), a->size, (unsigned long long)a->base, a->device,
                p + n > a->base + a->size ? ", beyond its end" : "");
    }
    return t;
}

Allocation& reach(Operation& op, uint64_t p, size_t n) {
    Allocation* a = find(p);
    if (!a) illegal(op, p, n, "");
    if (a->freed) illegal(op, p, n, ", which was freed by " + a->freedBy);
    if (p + n > a->base + a->size) illegal(op, p, n, "");
    if (a->admitted == op.id) return *a;
    if (!op.copies && (isDevice(a->kind) || a->kind == Kind::VARIABLE) && a->context != op.context && !hasPeer(op.context, a->context))
        illegal(op, p, n, ", of another context to which this one has no peer access (cuCtxEnablePeerAccess)");
    if (a->kind == Kind::ORDERED) {
        if (op.stream != a->bornStream && op.clock.of(a->bornStream) < a->bornAt)
            illegal(op, p, n, ", whose cuMemAllocAsync on stream " + std::to_string(a->bornStream) + " is not known to come before stream "
                    + std::to_string(op.stream) + " gets here");
        if (a->freeing && a->freeClock.of(op.stream) < op.sequence)
            illegal(op, p, n, ", which " + a->freedBy + " frees, and this is not known to come before it");
    }
    a->uses[op.stream] = op.sequence;
    a->admitted = op.id;
    return *a;
}

Allocation* allocate(Context* context, int device, size_t size, Kind kind) {
    if (isDevice(kind) && used[device] + size > size_t(settings.memory)) return nullptr;
    // Device memory is aligned to 256 bytes and, so that nobody relies on more, never to a page.
    const size_t offset = kind == Kind::PINNED ? 0 : 256;
    char* pages = nextPages((size + offset + PAGE - 1) / PAGE * PAGE);
    if (!pages) return nullptr;
    if (kind != Kind::VARIABLE) memset(pages + offset, 0xff, std::min(size, POISONED));
    auto a = std::make_unique<Allocation>();
    a->base = reinterpret_cast<uint64_t>(pages + offset);
    a->size = size;
    a->kind = kind;
    a->device = device;
    a->context = context;
    return enter(std::move(a));
}

Allocation* adopt(Context* context, void* host, size_t size) {
    auto a = std::make_unique<Allocation>();
    a->base = reinterpret_cast<uint64_t>(host);
    a->size = size;
    a->kind = Kind::REGISTERED;
    a->context = context;
    return enter(std::move(a));
}

void release(Allocation& a, const std::string& by) {
    if (a.freed) return;
    a.freed = true;
    if (a.freedBy.empty()) a.freedBy = by;
    munmap(a.sectors, sectorBytes(a));
    munmap(a.writers, wordBytes(a));
    a.sectors = nullptr;
    a.writers = nullptr;
    if (isDevice(a.kind)) used[a.device] -= a.size;
    if (a.kind == Kind::REGISTERED) {   // its address may come again, as somebody else's
        allocations.erase(a.base);
        return;
    }
    const uint64_t first = a.base / PAGE * PAGE, bytes = (a.base + a.size - first + PAGE - 1) / PAGE * PAGE;
    madvise(reinterpret_cast<void*>(first), bytes, MADV_DONTNEED);
    // The host may still look at pinned memory, and finds zeros.
    if (a.kind != Kind::PINNED) mprotect(reinterpret_cast<void*>(first), bytes, PROT_NONE);
    freed.push_back(a.base);
    if (freed.size() > REMEMBERED) {
        allocations.erase(freed.front());
        freed.pop_front();
    }
}

void releaseInOrder(Operation& op, Allocation& a) {
    for (auto& [stream, sequence] : a.uses)
        if (stream != op.stream && op.clock.of(stream) < sequence)
            throw Fault{ILLEGAL_ADDRESS, op.what + " on stream " + std::to_string(op.stream) + " frees " + describe(a.base, a.size)
                    + ", which work on stream " + std::to_string(stream) +
                                             " touches that is not known to be over"};
    a.freeing = true;
    a.freeClock = op.clock;
    a.freeClock.join(op.stream, op.sequence);
    a.freedBy = op.what + " on stream " + std::to_string(op.stream);
}

size_t usedBytes(int device) { return used[device]; }

void eachAllocation(const std::function<void(Allocation&)>& f) {
    std::vector<Allocation*> alive;
    for (auto& [p, a] : allocations)
        if (!a->freed) alive.push_back(a.get());
    for (auto* a : alive) f(*a);
}
}  // namespace card
