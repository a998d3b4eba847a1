// Modules, functions, launches.
#include "driver.h"
#include "vm.h"
#include <cstdio>
#include <cstdlib>
#include <cstring>

using namespace card;

namespace {
/** The newest PTX a driver of a CUDA version reads (the PTX manual's release history). */
int newestPtx(int driver) {
    if (driver >= 13010) return 91;
    if (driver >= 13000) return 90;
    if (driver >= 12090) return 88;
    if (driver >= 12080) return 87;
    if (driver >= 12070) return 86;
    if (driver >= 12050) return 85;
    if (driver >= 12000) return 80 + (driver - 12000) / 10;
    return driver >= 11000 ? 70 + (driver - 11000) / 10 : 65;
}
uint64_t variableMemory(size_t bytes, void* context) {
    auto* c = static_cast<Context*>(context);
    return allocate(c, c->device, bytes, Kind::VARIABLE)->base;
}
void freeVariables(const ptx::Module& m) {
    for (auto& [name, v] : m.variables)
        if (Allocation* a = find(v.address)) release(*a, "cuModuleUnload");
}
uint64_t launches = 0;
}  // namespace

API cuModuleLoadData(void** module, const void* image) {
    CONTEXT;
    if (!memcmp(image, "\177ELF", 4) || !memcmp(image, "\x50\xed\x55\xba", 4))
        return refuse(NO_BINARY, "a cubin or fatbin cannot be interpreted: load PTX");
    std::string error;
    auto ptx = ptx::parse(static_cast<const char*>(image), variableMemory, ctx, error);
    if (!ptx) return refuse(INVALID_PTX, "%s", error.c_str());
    const int version = ptx->versionMajor * 10 + ptx->versionMinor, newest = newestPtx(settings.driver);
    if (version > newest) {
        freeVariables(*ptx);
        return refuse(UNSUPPORTED_PTX, "PTX %d.%d is newer than a driver of CUDA %d.%d reads (at most %d.%d)", version / 10, version % 10,
                int(settings.driver / 1000), int(settings.driver % 1000 / 10),
                      newest / 10, newest % 10);
    }
    const int target = atoi(ptx->target.c_str() + 3);
    const bool exact = isalpha((unsigned char)ptx->target.back());
    if (target > settings.capability || (exact && target != settings.capability)) {
        freeVariables(*ptx);
        return refuse(NO_BINARY, ".target %s does not run on sm_%d", ptx->target.c_str(), int(settings.capability));
    }
    auto* m = new LoadedModule{ctx, ptx, {}};
    live<LoadedModule>().insert(m);
    *module = m;
    return OK;
}
API cuModuleLoadDataEx(void** module, const void* image, unsigned, int*, void**) { return cuModuleLoadData(module, image); }
API cuModuleUnload(void* handle) {
    CONTEXT;
    auto* m = alive<LoadedModule>(handle);
    if (!m) return refuse(INVALID_HANDLE, "cuModuleUnload: the module is unknown or unloaded");
    const int error = drain(ctx);
    freeVariables(*m->ptx);
    for (auto& [name, f] : m->functions) live<Function>().erase(f.get());
    live<LoadedModule>().erase(m);
    delete m;
    return error;
}
API cuModuleGetGlobal_v2(CUdeviceptr* p, size_t* n, void* handle, const char* name) {
    CONTEXT;
    auto* m = alive<LoadedModule>(handle);
    if (!m) return refuse(INVALID_HANDLE, "cuModuleGetGlobal: the module is unknown or unloaded");
    const auto i = m->ptx->variables.find(name);
    if (i == m->ptx->variables.end()) return refuse(NOT_FOUND, "no variable %s", name);
    if (p) *p = i->second.address;
    if (n) *n = i->second.bytes;
    return OK;
}
API cuModuleGetFunction(void** f, void* handle, const char* name) {
    CONTEXT;
    auto* m = alive<LoadedModule>(handle);
    if (!m) return refuse(INVALID_HANDLE, "cuModuleGetFunction: the module is unknown or unloaded");
    const auto i = m->ptx->kernels.find(name);
    if (i == m->ptx->kernels.end()) return refuse(NOT_FOUND, "no kernel %s", name);
    auto& slot = m->functions[name];
    if (!slot) {
        slot.reset(new Function{m, &i->second});
        live<Function>().insert(slot.get());
    }
    *f = slot.get();
    return OK;
}

#define FUNCTION(name, handle)                         \
    Function* const name = alive<Function>(handle);    \
    if (!name) return refuse(INVALID_HANDLE, "%s: the function is unknown or its module unloaded", __func__)

API cuFuncSetAttribute(void* handle, int attribute, int value) {
    CONTEXT;
    FUNCTION(f, handle);
    if (attribute == 8) {   // dynamic shared memory
        if (value < 0 || value + int(f->kernel->sharedBytes) > maxDynamicShared())
            return refuse(INVALID_VALUE, "cuFuncSetAttribute: %d bytes of shared memory, the card has %d for a block", value, maxDynamicShared());
        f->maxDynamicShared = value;
    }
    return OK;
}
API cuFuncGetAttribute(int* v, int attribute, void* handle) {
    CONTEXT;
    FUNCTION(f, handle);
    switch (attribute) {
        case 0: *v = f->kernel->maxThreads; break;
        case 1: *v = f->kernel->sharedBytes; break;
        case 3: *v = f->kernel->localBytes; break;
        case 4: *v = 64; break;   // registers: nobody knows without ptxas
        case 5: case 6: *v = settings.capability; break;
        case 8: *v = f->maxDynamicShared; break;
        default: *v = 0;
    }
    return OK;
}
API cuFuncSetCacheConfig(void*, int) { return OK; }
API cuFuncGetModule(void** m, void* handle) {
    CONTEXT;
    FUNCTION(f, handle);
    *m = f->module;
    return OK;
}
API cuOccupancyMaxActiveBlocksPerMultiprocessor(int* n, void* handle, int threads, size_t dynamic) {
    CONTEXT;
    FUNCTION(f, handle);
    const size_t bytes = f->kernel->sharedBytes + dynamic + 1024;
    *n = std::min<size_t>(2048 / std::max(threads, 1), size_t(maxDynamicShared() + 1024) / bytes);
    return OK;
}
API cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* n, void* f, int threads, size_t dynamic,
        unsigned) {
    return cuOccupancyMaxActiveBlocksPerMultiprocessor(n, f, threads, dynamic);
}

API cuLaunchKernel(void* handle, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned dynamic,
        void* stream, void** arguments, void** extra) {
    CONTEXT;
    FUNCTION(f, handle);
    STREAM(s, stream);
    ptx::Kernel& k = *f->kernel;
    const char* name = k.name.c_str();
    if (f->module->context != ctx) return refuse(INVALID_HANDLE, "%s: its module was loaded in another context", name);
    if (extra) return refuse(NOT_SUPPORTED, "%s: arguments by 'extra' are not emulated", name);
    if (!gx || !gy || !gz || gx > 2147483647u || gy > 65535 || gz > 65535)
        return refuse(INVALID_VALUE, "%s: a grid of %u x %u x %u blocks", name, gx, gy, gz);
    const uint64_t threads = uint64_t(bx) * by * bz;
    if (!threads || bz > 64 || threads > 1024) return refuse(INVALID_VALUE, "%s: a block of %u x %u x %u threads", name, bx, by, bz);
    if (threads > k.maxThreads)
        return refuse(INVALID_VALUE, "%s: a block of %u threads, __launch_bounds__ says %u", name, unsigned(threads), k.maxThreads);
    if (int64_t(dynamic) > f->maxDynamicShared)
        return refuse(INVALID_VALUE, "%s: %u bytes of dynamic shared memory, allowed are %d (CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES)", name, dynamic, f->maxDynamicShared);
    if (!k.params.empty() && !arguments) return refuse(INVALID_VALUE, "%s: no arguments", name);
    std::vector<uint8_t> params(k.paramBytes + 16);   // copied now, as the driver does
    for (size_t i = 0; i < k.params.size(); i++) {
        const auto& p = k.params[i];
        memcpy(params.data() + p.offset, arguments[i], p.size);
        if (!p.isPtr) continue;
        CUdeviceptr v;
        memcpy(&v, arguments[i], 8);
        Allocation* a = v ? find(v - (find(v) ? 0 : 1)) : nullptr;   // just past an end is where an empty tensor lies
        if (v && !a) return refuse(INVALID_VALUE, "%s: parameter %zu (%llx) is not a device pointer", name, i, v);
        if (a && a->freed) return refuse(ILLEGAL_ADDRESS, "%s: parameter %zu (%llx) was freed by %s", name, i, v, a->freedBy.c_str());
    }
    const uint64_t number = ++launches;
    return submit(s, k.name, [=, module = f->module->ptx, &k](Operation& op) {
        if (const int code = injected("launch")) throw Fault{code, k.name + ": injected error"};
        Counters* count = settings.counters ? &counters[k.name] : nullptr;
        if (count) count->launches++;
        ptx::run(k, {{gx, gy, gz}, {bx, by, bz}, dynamic, params.data(), &op, uint64_t(settings.seed) * 0x9e3779b97f4a7c15ull + number, count});
    });
}
struct LaunchConfig {   // CUlaunchConfig
    unsigned gx, gy, gz, bx, by, bz, dynamic;
    void *stream, *attributes;
    unsigned count;
};
API cuLaunchKernelEx(const LaunchConfig* c, void* f, void** arguments, void** extra) {
    if (c->count) return refuse(NOT_SUPPORTED, "cuLaunchKernelEx: launch attributes (clusters, programmatic launch) are not emulated");
    return cuLaunchKernel(f, c->gx, c->gy, c->gz, c->bx, c->by, c->bz, c->dynamic, c->stream, arguments, extra);
}
