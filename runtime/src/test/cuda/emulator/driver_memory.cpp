// Allocation: device memory, stream-ordered memory and pools, pinned and registered host memory.
#include "driver.h"

using namespace card;

namespace {
struct Pool {
    int device;
    uint64_t threshold = 0;
};
Pool* defaultPool(int d) {
    static Pool* pools[MAX_DEVICES];
    if (!pools[d]) live<Pool>().insert(pools[d] = new Pool{d});
    return pools[d];
}
Pool* currentPools[MAX_DEVICES];
Pool* currentPool(int d) { return currentPools[d] && live<Pool>().count(currentPools[d]) ? currentPools[d] : defaultPool(d); }

int noMemory(const char* function, size_t size, int device) {
    return refuse(OUT_OF_MEMORY, "%s: %zu bytes asked for, %zu of %zu are used on device %d", function, size, usedBytes(device),
            size_t(settings.memory), device);
}
}  // namespace

API cuMemGetInfo_v2(size_t* free, size_t* total) {
    CONTEXT;
    *total = settings.memory;
    const size_t used = usedBytes(ctx->device);
    *free = *total > used ? *total - used : 0;
    return OK;
}
API cuMemAlloc_v2(CUdeviceptr* p, size_t n) {
    CONTEXT;
    if (!n) return refuse(INVALID_VALUE, "cuMemAlloc of 0 bytes");
    if (const int code = injected("alloc")) return refuse(code, "cuMemAlloc: injected error");
    Allocation* a = allocate(ctx, ctx->device, n, Kind::DEVICE);
    if (!a) return noMemory("cuMemAlloc", n, ctx->device);
    *p = a->base;
    return OK;
}
API cuMemAllocPitch_v2(CUdeviceptr* p, size_t* pitch, size_t width, size_t height, unsigned) {
    *pitch = (width + 511) / 512 * 512;
    return cuMemAlloc_v2(p, *pitch * height);
}
API cuMemFree_v2(CUdeviceptr p) {
    CONTEXT;
    if (!p) return OK;
    Allocation* a = find(p);
    if (!a || a->base != p || (a->kind != Kind::DEVICE && a->kind != Kind::ORDERED))
        return refuse(INVALID_VALUE, "cuMemFree: %llx is not the start of an allocation", p);
    if (a->freed || a->freeing) return refuse(INVALID_VALUE, "cuMemFree: %llx was freed before by %s", p, a->freedBy.c_str());
    const int error = drain(a->context);   // the driver waits for what may use it
    release(*a, "cuMemFree");
    return error;
}
API cuMemGetAddressRange_v2(CUdeviceptr* base, size_t* size, CUdeviceptr p) {
    CONTEXT;
    Allocation* a = find(p);
    if (!a || a->freed) return refuse(INVALID_VALUE, "cuMemGetAddressRange: %s", describe(p, 1).c_str());
    if (base) *base = a->base;
    if (size) *size = a->size;
    return OK;
}

// ---- stream-ordered
static int allocInOrder(const char* function, Context* ctx, CUdeviceptr* p, size_t n, int device, Stream* s) {
    if (!n) return refuse(INVALID_VALUE, "%s of 0 bytes", function);
    if (const int code = injected("alloc")) return refuse(code, "%s: injected error", function);
    // What was freed in order is only back once the stream has got there: a full device first lets the work that is queued run.
    if (usedBytes(device) + n > size_t(settings.memory)) drain(ctx);
    Allocation* a = allocate(ctx, device, n, Kind::ORDERED);
    if (!a) return noMemory(function, n, device);
    a->bornStream = s->id;
    a->bornAt = s->submitted + 1;
    *p = a->base;
    return submit(s, function, nullptr);
}
API cuMemAllocAsync(CUdeviceptr* p, size_t n, void* stream) {
    CONTEXT;
    STREAM(s, stream);
    return allocInOrder("cuMemAllocAsync", ctx, p, n, currentPool(ctx->device)->device, s);
}
API cuMemAllocFromPoolAsync(CUdeviceptr* p, size_t n, void* pool, void* stream) {
    CONTEXT;
    STREAM(s, stream);
    if (!alive<Pool>(pool)) return refuse(INVALID_VALUE, "cuMemAllocFromPoolAsync: the pool is unknown or destroyed");
    return allocInOrder("cuMemAllocFromPoolAsync", ctx, p, n, static_cast<Pool*>(pool)->device, s);
}
API cuMemFreeAsync(CUdeviceptr p, void* stream) {
    CONTEXT;
    STREAM(s, stream);
    Allocation* a = find(p);
    if (!a || a->base != p || a->kind != Kind::ORDERED)
        return refuse(INVALID_VALUE, "cuMemFreeAsync: %llx is not the start of an allocation of cuMemAllocAsync", p);
    if (a->freed || a->freeing) return refuse(INVALID_VALUE, "cuMemFreeAsync: %llx was freed before by %s", p, a->freedBy.c_str());
    auto op = operation(s, "cuMemFreeAsync");
    if (s->id != a->bornStream && op->clock.of(a->bornStream) < a->bornAt)
        return refuse(INVALID_VALUE, "cuMemFreeAsync: the allocation, on stream %d, is not known to come before the free, on stream %d",
                a->bornStream, s->id);
    try {
        releaseInOrder(*op, *a);
    } catch (Fault& f) {
        return broken(ctx, f);
    }
    op->run = [a](Operation&) { release(*a, ""); };
    return submit(s, std::move(op));
}

// ---- pools: bookkeeping only, memory is the device's
API cuDeviceGetDefaultMemPool(void** pool, int d) {
    LOCKED;
    *pool = defaultPool(d);
    return OK;
}
API cuDeviceGetMemPool(void** pool, int d) {
    LOCKED;
    *pool = currentPool(d);
    return OK;
}
API cuDeviceSetMemPool(int d, void* pool) {
    LOCKED;
    if (!alive<Pool>(pool)) return refuse(INVALID_VALUE, "cuDeviceSetMemPool: the pool is unknown or destroyed");
    currentPools[d] = static_cast<Pool*>(pool);
    return OK;
}
API cuMemPoolCreate(void** pool, const int* properties) {   // allocType, handleTypes, location {type, id}
    LOCKED;
    if (properties[0] != 1 || properties[2] != 1) return refuse(INVALID_VALUE, "cuMemPoolCreate: only pinned memory of a device");
    auto* x = new Pool{properties[3]};
    live<Pool>().insert(x);
    *pool = x;
    return OK;
}
API cuMemPoolDestroy(void* pool) {
    LOCKED;
    return live<Pool>().erase(pool) ? OK : refuse(INVALID_VALUE, "cuMemPoolDestroy: the pool is unknown or destroyed");
}
API cuMemPoolTrimTo(void* pool, size_t) {
    LOCKED;
    return alive<Pool>(pool) ? OK : refuse(INVALID_VALUE, "cuMemPoolTrimTo: the pool is unknown or destroyed");
}
API cuMemPoolSetAttribute(void* pool, int attribute, void* value) {
    LOCKED;
    auto* x = alive<Pool>(pool);
    if (!x) return refuse(INVALID_VALUE, "cuMemPoolSetAttribute: the pool is unknown or destroyed");
    if (attribute == 4) x->threshold = *static_cast<uint64_t*>(value);
    return OK;
}
API cuMemPoolGetAttribute(void* pool, int attribute, void* value) {
    LOCKED;
    auto* x = alive<Pool>(pool);
    if (!x) return refuse(INVALID_VALUE, "cuMemPoolGetAttribute: the pool is unknown or destroyed");
    if (attribute <= 3) *static_cast<int*>(value) = 1;                                                 // how memory is used again
    else *static_cast<uint64_t*>(value) = attribute == 4 ? x->threshold : usedBytes(x->device);       // reserved and used, now and at most
    return OK;
}
API cuMemPoolSetAccess(void* pool, const void*, size_t) {
    LOCKED;
    return alive<Pool>(pool) ? OK : refuse(INVALID_VALUE, "cuMemPoolSetAccess: the pool is unknown or destroyed");
}

// ---- host memory that the card reaches
API cuMemHostAlloc(void** p, size_t n, unsigned) {
    CONTEXT;
    if (!n) return refuse(INVALID_VALUE, "cuMemHostAlloc of 0 bytes");
    Allocation* a = allocate(ctx, 0, n, Kind::PINNED);
    if (!a) return refuse(OUT_OF_MEMORY, "cuMemHostAlloc of %zu bytes", n);
    *p = reinterpret_cast<void*>(a->base);
    return OK;
}
API cuMemAllocHost_v2(void** p, size_t n) { return cuMemHostAlloc(p, n, 0); }
API cuMemFreeHost(void* p) {
    CONTEXT;
    Allocation* a = find(reinterpret_cast<uint64_t>(p));
    if (!a || a->kind != Kind::PINNED || a->base != reinterpret_cast<uint64_t>(p))
        return refuse(INVALID_VALUE, "cuMemFreeHost: %p is not the start of pinned memory", p);
    if (a->freed) return refuse(INVALID_VALUE, "cuMemFreeHost: %p was freed before", p);
    const int error = drain(ctx);
    release(*a, "cuMemFreeHost");
    return error;
}
API cuMemHostRegister_v2(void* p, size_t n, unsigned) {
    CONTEXT;
    Allocation* a = find(reinterpret_cast<uint64_t>(p));
    if (a && !a->freed) return refuse(HOST_REGISTERED, "cuMemHostRegister: %p is registered or allocated already", p);
    if (!n || !p) return refuse(INVALID_VALUE, "cuMemHostRegister of nothing");
    adopt(ctx, p, n);
    return OK;
}
API cuMemHostUnregister(void* p) {
    CONTEXT;
    Allocation* a = find(reinterpret_cast<uint64_t>(p));
    if (!a || a->kind != Kind::REGISTERED || a->base != reinterpret_cast<uint64_t>(p))
        return refuse(HOST_NOT_REGISTERED, "cuMemHostUnregister: %p is not registered", p);
    const int error = drain(ctx);
    release(*a, "cuMemHostUnregister");
    return error;
}
API cuMemHostGetDevicePointer_v2(CUdeviceptr* d, void* p, unsigned) {
    CONTEXT;
    Allocation* a = find(reinterpret_cast<uint64_t>(p));
    if (!a || a->freed || (a->kind != Kind::PINNED && a->kind != Kind::REGISTERED))
        return refuse(INVALID_VALUE, "cuMemHostGetDevicePointer: %p is not pinned", p);
    *d = reinterpret_cast<CUdeviceptr>(p);
    return OK;
}
API cuMemHostGetFlags(unsigned* flags, void*) {
    *flags = 0;
    return OK;
}
API cuPointerGetAttribute(void* value, int attribute, CUdeviceptr p) {
    CONTEXT;
    Allocation* a = find(p);
    if (!a || a->freed) return refuse(INVALID_VALUE, "cuPointerGetAttribute: %s", describe(p, 1).c_str());
    const bool host = a->kind == Kind::PINNED || a->kind == Kind::REGISTERED;
    switch (attribute) {
        case 1: *static_cast<void**>(value) = a->context; return OK;
        case 2: *static_cast<int*>(value) = host ? 1 : 2; return OK;   // CU_MEMORYTYPE_HOST, _DEVICE
        case 9: *static_cast<int*>(value) = a->device; return OK;
        default: return refuse(NOT_SUPPORTED, "cuPointerGetAttribute: attribute %d", attribute);
    }
}
