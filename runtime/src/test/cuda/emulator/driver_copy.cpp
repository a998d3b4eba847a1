// Copies and fills. What a copy touches is checked when it is asked for, as the driver does, and again when it runs.
#include "driver.h"
#include <algorithm>
#include <cstring>

using namespace card;

namespace {
enum Side { HOST, DEVICE };
struct Copy {
    Side toSide;
    uint64_t to;
    Side fromSide;
    uint64_t from;
    size_t bytes;
    const char* name;
};

/** Refuses memory that is not the card's, or no longer. */
int checked(const char* name, const char* what, uint64_t p, size_t n) {
    Allocation* a = find(p);
    if (!a) return refuse(INVALID_VALUE, "%s: %s: %s", name, what, describe(p, n).c_str());
    if (a->freed || a->freeing)
        return refuse(INVALID_VALUE, "%s: %s: %s, which was freed by %s", name, what, describe(p, n).c_str(), a->freedBy.c_str());
    if (p + n > a->base + a->size) return refuse(INVALID_VALUE, "%s: %s: %s", name, what, describe(p, n).c_str());
    return OK;
}
bool pinned(uint64_t p, size_t n) {
    Allocation* a = find(p);
    return a && !a->freed && p + n <= a->base + a->size;
}
void use(Operation& op, uint64_t p, size_t n, bool writes) {
    if (find(p)) touch(op, reach(op, p, n), p, n, writes);   // pageable host memory is nobody's
}
void perform(Operation& op, const Copy& c) {
    if (const int code = injected("copy")) throw Fault{code, std::string(c.name) + ": injected error"};
    use(op, c.from, c.bytes, false);
    use(op, c.to, c.bytes, true);
    memmove(reinterpret_cast<void*>(c.to), reinterpret_cast<void*>(c.from), c.bytes);
}

int copy(Stream* s, const Copy& c, bool waits) {
    if (!c.bytes) return OK;
    if (c.toSide == DEVICE)
        if (const int error = checked(c.name, "destination", c.to, c.bytes)) return error;
    if (c.fromSide == DEVICE)
        if (const int error = checked(c.name, "source", c.from, c.bytes)) return error;
    auto op = operation(s, c.name);
    op->copies = true;
    if (c.fromSide == HOST && !pinned(c.from, c.bytes)) {   // pageable: the driver takes it before it returns; pinned memory is read when the copy runs
        const char* from = reinterpret_cast<const char*>(c.from);
        auto staged = std::make_shared<std::vector<char>>(from, from + c.bytes);
        op->run = [=](Operation& op) {
            if (const int code = injected("copy")) throw Fault{code, std::string(c.name) + ": injected error"};
            use(op, c.to, c.bytes, true);
            memcpy(reinterpret_cast<void*>(c.to), staged->data(), c.bytes);
        };
    } else {
        op->run = [=](Operation& op) { perform(op, c); };
        if (c.toSide == HOST && !pinned(c.to, c.bytes)) waits = true;
    }
    const int error = submit(s, std::move(op));
    return error || !waits ? error : joined(s);
}

int fill(Stream* s, CUdeviceptr p, size_t n, const char* name, unsigned value, unsigned size) {
    if (!n) return OK;
    if (const int error = checked(name, "destination", p, n * size)) return error;
    if (p % size) return refuse(INVALID_VALUE, "%s: %llx is not a multiple of %u", name, p, size);
    auto op = operation(s, name);
    op->copies = true;
    op->run = [=](Operation& op) {
        use(op, p, n * size, true);
        if (size == 1) memset(reinterpret_cast<void*>(p), value, n);
        else if (size == 2) std::fill_n(reinterpret_cast<uint16_t*>(p), n, value);
        else std::fill_n(reinterpret_cast<uint32_t*>(p), n, value);
    };
    return submit(s, std::move(op));
}
uint64_t address(const void* p) { return reinterpret_cast<uint64_t>(p); }
}  // namespace

#define COPY(stream, waits, ...)         \
    CONTEXT;                             \
    STREAM(s, stream);                   \
    return copy(s, __VA_ARGS__, waits)

API cuMemcpyHtoD_v2(CUdeviceptr to, const void* from, size_t n) { COPY(nullptr, true, {DEVICE, to, HOST, address(from), n, "cuMemcpyHtoD"}); }
API cuMemcpyDtoH_v2(void* to, CUdeviceptr from, size_t n) { COPY(nullptr, true, {HOST, address(to), DEVICE, from, n, "cuMemcpyDtoH"}); }
API cuMemcpyDtoD_v2(CUdeviceptr to, CUdeviceptr from, size_t n) { COPY(nullptr, false, {DEVICE, to, DEVICE, from, n, "cuMemcpyDtoD"}); }
API cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void* from, size_t n, void* stream) {
    COPY(stream, false, {DEVICE, to, HOST, address(from), n, "cuMemcpyHtoDAsync"});
}
API cuMemcpyDtoHAsync_v2(void* to, CUdeviceptr from, size_t n, void* stream) {
    COPY(stream, false, {HOST, address(to), DEVICE, from, n, "cuMemcpyDtoHAsync"});
}
API cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t n, void* stream) {
    COPY(stream, false, {DEVICE, to, DEVICE, from, n, "cuMemcpyDtoDAsync"});
}
API cuMemcpy(CUdeviceptr to, CUdeviceptr from, size_t n) {
    COPY(nullptr, true, {find(to) ? DEVICE : HOST, to, find(from) ? DEVICE : HOST, from, n, "cuMemcpy"});
}
API cuMemcpyAsync(CUdeviceptr to, CUdeviceptr from, size_t n, void* stream) {
    COPY(stream, false, {find(to) ? DEVICE : HOST, to, find(from) ? DEVICE : HOST, from, n, "cuMemcpyAsync"});
}

/** Between contexts the pointers must be theirs. Peer access need not be enabled. */
static int peerContexts(CUdeviceptr to, void* toContext, CUdeviceptr from, void* fromContext) {
    if (!alive<Context>(toContext) || !alive<Context>(fromContext)) return refuse(INVALID_CONTEXT, "cuMemcpyPeer: a context is unknown or destroyed");
    Allocation *a = find(to), *b = find(from);
    if (a && a->context != toContext) return refuse(INVALID_VALUE, "cuMemcpyPeer: the destination is not of the destination's context");
    if (b && b->context != fromContext) return refuse(INVALID_VALUE, "cuMemcpyPeer: the source is not of the source's context");
    return OK;
}
API cuMemcpyPeerAsync(CUdeviceptr to, void* toContext, CUdeviceptr from, void* fromContext, size_t n, void* stream) {
    CONTEXT;
    STREAM(s, stream);
    if (const int error = peerContexts(to, toContext, from, fromContext)) return error;
    return copy(s, {DEVICE, to, DEVICE, from, n, "cuMemcpyPeerAsync"}, false);
}
API cuMemcpyPeer(CUdeviceptr to, void* toContext, CUdeviceptr from, void* fromContext,
        size_t n) {
    return cuMemcpyPeerAsync(to, toContext, from, fromContext, n, nullptr);
}

#define FILL(stream, ...) \
    CONTEXT;              \
    STREAM(s, stream);    \
    return fill(s, __VA_ARGS__)

API cuMemsetD8Async(CUdeviceptr p, unsigned char v, size_t n, void* stream) { FILL(stream, p, n, "cuMemsetD8Async", v, 1); }
API cuMemsetD16Async(CUdeviceptr p, unsigned short v, size_t n, void* stream) { FILL(stream, p, n, "cuMemsetD16Async", v, 2); }
API cuMemsetD32Async(CUdeviceptr p, unsigned v, size_t n, void* stream) { FILL(stream, p, n, "cuMemsetD32Async", v, 4); }
API cuMemsetD8_v2(CUdeviceptr p, unsigned char v, size_t n) { FILL(nullptr, p, n, "cuMemsetD8 (which does not wait)", v, 1); }
API cuMemsetD16_v2(CUdeviceptr p, unsigned short v, size_t n) { FILL(nullptr, p, n, "cuMemsetD16 (which does not wait)", v, 2); }
API cuMemsetD32_v2(CUdeviceptr p, unsigned v, size_t n) { FILL(nullptr, p, n, "cuMemsetD32 (which does not wait)", v, 4); }
