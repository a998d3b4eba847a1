// Devices, their attributes, contexts, peers.
#include "driver.h"
#include <algorithm>
#include <cstdio>

using namespace card;

namespace card {
namespace {
thread_local std::vector<Context*> stack;
Context* primaries[MAX_DEVICES];

Context* newContext(int device) {
    auto* c = new Context;
    c->device = device;
    c->null = newStream(c, true, false);
    live<Context>().insert(c);
    return c;
}
bool isDevice(int d) { return d >= 0 && d < settings.devices && d < MAX_DEVICES; }
}  // namespace

Context* current() {
    while (!stack.empty() && !live<Context>().count(stack.back())) stack.pop_back();   // destroyed since, perhaps by another thread
    return stack.empty() ? nullptr : stack.back();
}
int capabilityMajor() { return settings.capability / 10; }
int capabilityMinor() { return settings.capability % 10; }
int maxDynamicShared() {
    switch (settings.capability) {
        case 80: case 87: return 166912;
        case 86: case 89: case 120: return 101376;
        default: return 232448;
    }
}
bool hasPeer(const Context* from, const Context* to) { return from->peers.count(to); }

void destroyContext(Context* c) {
    drain(c);
    eachAllocation([&](Allocation& a) {
        if (a.context == c) release(a, "the end of its context");
    });
    for (Stream* s : c->streams) endStream(s);
    for (auto* x : live<Context>()) const_cast<Context*>(static_cast<const Context*>(x))->peers.erase(c);
    live<Context>().erase(c);
    if (primaries[c->device] == c) primaries[c->device] = nullptr;
}
}  // namespace card

static int multiprocessors() {
    if (settings.multiprocessors) return settings.multiprocessors;
    switch (settings.capability) {
        case 80: return 108;
        case 90: return 132;
        case 100: return 148;
        default: return 84;
    }
}

static int attribute(int a) {
    const bool small = settings.capability == 86 || settings.capability == 89 || settings.capability == 120;
    switch (a) {
        case 1: case 2: case 3: return 1024;          // threads of a block, extents of a block
        case 4: return 64;
        case 5: return 2147483647;                    // extents of a grid
        case 6: case 7: return 65535;
        case 8: return 49152;                         // shared memory of a block
        case 9: return 65536;                         // constant memory
        case 10: return 32;                           // warp
        case 11: return 2147483647;                   // pitch
        case 12: return 65536;                        // registers of a block
        case 13: return 1500000;                      // clock, kHz
        case 14: return 512;                          // texture alignment
        case 15: case 31: return 1;                   // copies and kernels at once, kernels at once
        case 16: return multiprocessors();
        case 19: case 41: return 1;                   // maps host memory, unified addressing
        case 32: return 1;                            // ECC
        case 36: return 1593000;                      // memory clock, kHz
        case 37: return 5120;                         // memory bus, bits
        case 38: return 40 << 20;                     // L2 cache
        case 39: return small ? 1536 : 2048;          // threads of a multiprocessor
        case 40: return 3;                            // copy engines
        case 75: return capabilityMajor();
        case 76: return capabilityMinor();
        case 78: return 1;                            // stream priorities
        case 81: return small ? 102400 : settings.capability == 80 ? 167936 : 233472;   // shared memory of a multiprocessor
        case 82: return 65536;                        // its registers
        case 83: return 1;                            // managed memory
        case 97: return maxDynamicShared();           // shared memory of a block, opt-in
        case 99: return 1;                            // host memory can be registered
        case 106: return small ? 16 : 32;             // blocks of a multiprocessor
        case 111: return 1024;                        // shared memory that each block reserves
        case 115: return 1;                           // memory pools
        default: return 0;
    }
}

API cuInit(unsigned) { return OK; }
API cuDriverGetVersion(int* v) {
    *v = settings.driver;
    return OK;
}
API cuDeviceGetCount(int* n) {
    *n = settings.devices;
    return OK;
}
API cuDeviceGet(int* d, int i) {
    LOCKED;
    if (!isDevice(i)) return refuse(INVALID_DEVICE, "cuDeviceGet: there is no device %d", i);
    *d = i;
    return OK;
}
API cuDeviceGetName(char* s, int n, int d) {
    snprintf(s, n, "emulated card %d", d);
    return OK;
}
API cuDeviceGetUuid_v2(char* uuid, int d) {
    snprintf(uuid, 16, "emulated-%02d", d);
    return OK;
}
API cuDeviceGetUuid(char* uuid, int d) { return cuDeviceGetUuid_v2(uuid, d); }
API cuDeviceGetPCIBusId(char* s, int n, int d) {
    snprintf(s, n, "0000:%02x:00.0", d + 1);
    return OK;
}
API cuDeviceTotalMem_v2(size_t* n, int) {
    *n = settings.memory;
    return OK;
}
API cuDeviceComputeCapability(int* major, int* minor, int) {
    *major = capabilityMajor();
    *minor = capabilityMinor();
    return OK;
}
API cuDeviceGetAttribute(int* v, int a, int d) {
    LOCKED;
    if (!isDevice(d)) return refuse(INVALID_DEVICE, "cuDeviceGetAttribute: there is no device %d", d);
    *v = attribute(a);
    return OK;
}

// ---- contexts
API cuCtxCreate_v2(void** c, unsigned, int d) {
    LOCKED;
    if (!isDevice(d)) return refuse(INVALID_DEVICE, "cuCtxCreate: there is no device %d", d);
    stack.push_back(newContext(d));
    *c = stack.back();
    return OK;
}
API cuCtxDestroy_v2(void* handle) {
    LOCKED;
    auto* c = alive<Context>(handle);
    if (!c || c->primary)
        return refuse(INVALID_CONTEXT, "cuCtxDestroy: %s", c ? "a primary context is released, not destroyed" : "it is unknown or destroyed");
    const int error = c->error;
    destroyContext(c);
    return error ? OK : c->error;   // a broken context can be destroyed; one that breaks now says so
}
API cuCtxSetCurrent(void* handle) {
    LOCKED;
    if (handle && !alive<Context>(handle)) return refuse(INVALID_CONTEXT, "cuCtxSetCurrent: the context is unknown or destroyed");
    if (!stack.empty()) stack.pop_back();
    if (handle) stack.push_back(static_cast<Context*>(handle));
    return OK;
}
API cuCtxGetCurrent(void** c) {
    LOCKED;
    *c = current();
    return OK;
}
API cuCtxPushCurrent_v2(void* handle) {
    LOCKED;
    auto* c = alive<Context>(handle);
    if (!c) return refuse(INVALID_CONTEXT, "cuCtxPushCurrent: the context is unknown or destroyed");
    stack.push_back(c);
    return OK;
}
API cuCtxPopCurrent_v2(void** c) {
    LOCKED;
    if (!current()) return refuse(INVALID_CONTEXT, "cuCtxPopCurrent: no current context on this thread");
    if (c) *c = stack.back();
    stack.pop_back();
    return OK;
}
API cuCtxGetDevice(int* d) {
    LOCKED;
    if (!current()) return refuse(INVALID_CONTEXT, "cuCtxGetDevice: no current context on this thread");
    *d = current()->device;
    return OK;
}
API cuCtxGetStreamPriorityRange(int* least, int* greatest) {
    if (least) *least = 0;
    if (greatest) *greatest = -5;
    return OK;
}
API cuCtxGetApiVersion(void*, unsigned* v) {
    *v = 3020;
    return OK;
}
API cuCtxSetLimit(int, size_t) { return OK; }
API cuCtxSetCacheConfig(int) { return OK; }
API cuCtxSynchronize() {
    CONTEXT;
    const int error = drain(ctx);
    for (Stream* s : ctx->streams) hostClock.join(s->clock);
    return error;
}
API cuDevicePrimaryCtxRetain(void** c, int d) {
    LOCKED;
    if (!isDevice(d)) return refuse(INVALID_DEVICE, "cuDevicePrimaryCtxRetain: there is no device %d", d);
    if (!primaries[d]) {
        primaries[d] = newContext(d);
        primaries[d]->primary = true;
    }
    primaries[d]->retained++;
    *c = primaries[d];
    return OK;
}
API cuDevicePrimaryCtxRelease_v2(int d) {
    LOCKED;
    if (!isDevice(d) || !primaries[d]) return refuse(INVALID_CONTEXT, "cuDevicePrimaryCtxRelease: device %d has no primary context", d);
    if (--primaries[d]->retained == 0) destroyContext(primaries[d]);
    return OK;
}
API cuDevicePrimaryCtxReset_v2(int d) {
    LOCKED;
    if (isDevice(d) && primaries[d]) destroyContext(primaries[d]);
    return OK;
}
API cuDevicePrimaryCtxSetFlags_v2(int, unsigned) { return OK; }
API cuDevicePrimaryCtxGetState(int d, unsigned* flags, int* active) {
    LOCKED;
    *flags = 0;
    *active = isDevice(d) && primaries[d];
    return OK;
}

// ---- peers
API cuDeviceCanAccessPeer(int* can, int from, int to) {
    LOCKED;
    if (!isDevice(from) || !isDevice(to)) return refuse(INVALID_DEVICE, "cuDeviceCanAccessPeer: there is no device %d", isDevice(from) ? to : from);
    *can = from != to && settings.peers;
    return OK;
}
API cuCtxEnablePeerAccess(void* handle, unsigned flags) {
    CONTEXT;
    auto* peer = alive<Context>(handle);
    if (!peer || peer == ctx)
        return refuse(INVALID_CONTEXT, "cuCtxEnablePeerAccess: the peer is %s", peer ? "this context itself" : "unknown or destroyed");
    if (flags) return refuse(INVALID_VALUE, "cuCtxEnablePeerAccess: flags must be 0");
    if (!settings.peers || peer->device == ctx->device)
        return refuse(PEER_UNSUPPORTED, "cuCtxEnablePeerAccess: device %d cannot access device %d", ctx->device, peer->device);
    if (!ctx->peers.insert(peer).second) return refuse(PEER_ENABLED, "cuCtxEnablePeerAccess: it is enabled already");
    return OK;
}
API cuCtxDisablePeerAccess(void* handle) {
    CONTEXT;
    if (!ctx->peers.erase(static_cast<Context*>(handle))) return refuse(PEER_NOT_ENABLED, "cuCtxDisablePeerAccess: it is not enabled");
    return OK;
}
API cuDeviceGetP2PAttribute(int* v, int a, int from, int to) {
    LOCKED;
    if (!isDevice(from) || !isDevice(to) || from == to) return refuse(INVALID_DEVICE, "cuDeviceGetP2PAttribute: devices %d and %d", from, to);
    *v = a == 2 || a == 3 ? settings.peers != 0 : 0;   // access, native atomics
    return OK;
}
