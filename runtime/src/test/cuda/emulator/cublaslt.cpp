// A stand-in for cuBLASLt: the functions that a runtime for matrix products needs, with every descriptor checked. F32 or BF16 in, sums in F32,
// F32 or BF16 out, column-major. Work goes through the emulated driver's stream (cublaslt_gemm.cpp computes it).
#include "cublaslt.h"
#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <dlfcn.h>
#include <mutex>
#include <set>

#define API extern "C" __attribute__((visibility("default")))
struct Range {
    uint64_t address, bytes;
    bool writes;
};
extern "C" int cuemuSubmit(void* stream, const char* name, void (*f)(void*), void* data, const Range* ranges, int count);
extern "C" int cuemuInOneAllocation(uint64_t p, size_t n);
extern "C" void cuemuExplain(const char* text);

using namespace lt;

namespace {
enum Status { OK = 0, NOT_INITIALIZED = 1, INVALID_VALUE = 7, EXECUTION_FAILED = 13, NOT_SUPPORTED = 15 };
enum { HOST_POINTERS = 0, COLUMN_MAJOR = 0, EPILOGUE_DEFAULT = 1, COMPUTE_32F = 68 };
constexpr uint64_t ALGORITHM = 0x6c7461, WORKSPACE = 4096;

struct Preference {
    uint64_t workspace = 0;
    uint32_t alignment[4] = {256, 256, 256, 256};   // of A, B, C, D: the library's defaults
};
struct Algorithm {   // cublasLtMatmulAlgo_t, opaque
    uint64_t magic, workspace, types;
    uint32_t alignment[4];
    uint64_t unused[3];
};
struct Heuristic {   // cublasLtMatmulHeuristicResult_t
    Algorithm algorithm;
    size_t workspace;
    int state;
    float waves;
    int reserved[4];
};
static_assert(sizeof(Algorithm) == 64 && sizeof(Heuristic) == 96);

/** What was made and not destroyed; ranks in several threads call the library at once. */
class Live {
    std::set<const void*> handles;
    std::mutex lock;

public:
    void insert(const void* x) {
        std::lock_guard locked(lock);
        handles.insert(x);
    }
    bool erase(const void* x) {
        std::lock_guard locked(lock);
        return handles.erase(x);
    }
    bool count(const void* x) {
        std::lock_guard locked(lock);
        return handles.count(x);
    }
};
template <class T> Live& live() {
    static Live handles;
    return handles;
}
template <class T, class... A> int create(T** out, A... values) {
    *out = new T{values...};
    live<T>().insert(*out);
    return OK;
}
template <class T> int destroy(T* x) {
    if (!live<T>().erase(x)) return INVALID_VALUE;
    delete x;
    return OK;
}
struct Handle {
    int unused = 0;
};

int refuse(int status, const char* format, ...) __attribute__((format(printf, 2, 3)));
int refuse(int status, const char* format, ...) {
    char text[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    cuemuExplain(text);
    return status;
}
template <class T> int set(T& field, const void* value, size_t size, const char* what) {
    if (size != sizeof(T)) return refuse(INVALID_VALUE, "%s takes %zu bytes, not %zu", what, sizeof(T), size);
    memcpy(&field, value, size);
    return OK;
}
uint64_t typesOf(const Descriptor& d, const Layout& a, const Layout& b,
        const Layout& out) {
    return a.type | b.type << 8 | out.type << 16 | d.transA << 24 | d.transB << 28;
}

/** Everything that can be known without the pointers. */
int checked(const Descriptor* d, const Layout* a, const Layout* b, const Layout* c, const Layout* out) {
    if (!live<Descriptor>().count(d)) return refuse(INVALID_VALUE, "the operation descriptor is unknown or destroyed");
    const Layout* all[] = {a, b, c, out};
    for (int i = 0; i < 4; i++) {
        const Layout* l = all[i];
        const char name = "ABCD"[i];
        if (!live<Layout>().count(l)) return refuse(INVALID_VALUE, "the layout of %c is unknown or destroyed", name);
        if (l->order != COLUMN_MAJOR) return refuse(NOT_SUPPORTED, "%c: only column-major matrices are emulated", name);
        if (l->type != F32 && l->type != BF16)
            return refuse(NOT_SUPPORTED, "%c: type %d is not emulated (CUDA_R_32F is 0, CUDA_R_16BF 14)", name, l->type);
        if (!l->rows || !l->columns)
            return refuse(INVALID_VALUE, "%c is %llu x %llu", name, (unsigned long long)l->rows, (unsigned long long)l->columns);
        if (l->leading < int64_t(l->rows))
            return refuse(INVALID_VALUE, "%c: leading dimension %lld, but %llu rows", name, (long long)l->leading, (unsigned long long)l->rows);
        if (l->batch < 1 || l->batch != a->batch) return refuse(INVALID_VALUE, "%c: batch of %d, of A %d", name, l->batch, a->batch);
        if (l->batch > 1 && i >= 2 && l->stride < int64_t(l->leading * (l->columns - 1) + l->rows))
            return refuse(INVALID_VALUE, "%c: the matrices of its batch overlap", name);
    }
    if (d->compute != COMPUTE_32F) return refuse(NOT_SUPPORTED, "compute type %d is not emulated (CUBLAS_COMPUTE_32F is 68)", d->compute);
    if (d->scale != F32) return refuse(INVALID_VALUE, "scale type %d, CUBLAS_COMPUTE_32F takes CUDA_R_32F (0)", d->scale);
    if (d->pointerMode != HOST_POINTERS) return refuse(NOT_SUPPORTED, "alpha and beta on the device are not emulated");
    if (d->epilogue != EPILOGUE_DEFAULT) return refuse(NOT_SUPPORTED, "epilogue %d is not emulated", d->epilogue);
    if (d->transA < 0 || d->transA > 1 || d->transB < 0 || d->transB > 1 || d->transC)
        return refuse(NOT_SUPPORTED, "operations are N (0) or T (1), of C N");
    if (a->type != b->type) return refuse(NOT_SUPPORTED, "A and B are of different types");
    if (c->type != out->type) return refuse(NOT_SUPPORTED, "C and D are of different types");
    if (a->type == F32 && out->type != F32) return refuse(NOT_SUPPORTED, "F32 in and BF16 out");
    const uint64_t m = d->transA ? a->columns : a->rows, k = d->transA ? a->rows : a->columns, kb = d->transB ? b->columns : b->rows,
            n = d->transB ? b->rows : b->columns;
    if (k != kb) return refuse(INVALID_VALUE, "op(A) has %llu columns, op(B) %llu rows", (unsigned long long)k, (unsigned long long)kb);
    for (int i = 2; i < 4; i++)
        if (all[i]->rows != m || all[i]->columns != n)
            return refuse(INVALID_VALUE, "%c is %llu x %llu, op(A) op(B) is %llu x %llu", "ABCD"[i], (unsigned long long)all[i]->rows,
                    (unsigned long long)all[i]->columns, (unsigned long long)m, (unsigned long long)n);
    if (c->leading != out->leading || c->stride != out->stride) return refuse(NOT_SUPPORTED, "C and D are laid out differently");
    return OK;
}
}  // namespace

API size_t cublasLtGetVersion() {
    Dl_info self;   // the name that it was linked under
    return dladdr(reinterpret_cast<void*>(&cublasLtGetVersion), &self) && strstr(self.dli_fname, ".so.12") ? 120804 : 130100;
}
API const char* cublasLtGetStatusName(int s) {
    return s == OK ? "CUBLAS_STATUS_SUCCESS" : s == INVALID_VALUE ? "CUBLAS_STATUS_INVALID_VALUE"
            : s == NOT_SUPPORTED ? "CUBLAS_STATUS_NOT_SUPPORTED" : "CUBLAS_STATUS";
}
API const char* cublasLtGetStatusString(int s) {
    switch (s) {
        case OK: return "success";
        case NOT_INITIALIZED: return "the library was not initialized";
        case INVALID_VALUE: return "an unsupported value or parameter was passed to the function";
        case EXECUTION_FAILED: return "the function failed to launch on the GPU";
        case NOT_SUPPORTED: return "the functionality requested is not supported";
        default: return "unknown status";
    }
}
API int cublasLtCreate(Handle** h) { return create(h); }
API int cublasLtDestroy(Handle* h) { return destroy(h); }

API int cublasLtMatmulDescCreate(Descriptor** d, int compute, int scale) { return create(d, compute, scale); }
API int cublasLtMatmulDescDestroy(Descriptor* d) { return destroy(d); }
API int cublasLtMatmulDescSetAttribute(Descriptor* d, int attribute, const void* value, size_t size) {
    if (!live<Descriptor>().count(d)) return refuse(INVALID_VALUE, "the operation descriptor is unknown or destroyed");
    switch (attribute) {
        case 0: return set(d->compute, value, size, "the compute type");
        case 1: return set(d->scale, value, size, "the scale type");
        case 2: return set(d->pointerMode, value, size, "the pointer mode");
        case 3: return set(d->transA, value, size, "the operation of A");
        case 4: return set(d->transB, value, size, "the operation of B");
        case 5: return set(d->transC, value, size, "the operation of C");
        case 7: return set(d->epilogue, value, size, "the epilogue");
        default: return refuse(NOT_SUPPORTED, "attribute %d of an operation is not emulated", attribute);
    }
}
API int cublasLtMatrixLayoutCreate(Layout** l, int type, uint64_t rows, uint64_t columns,
        int64_t leading) {
    return create(l, type, COLUMN_MAJOR, rows, columns, leading, 1, int64_t(0));
}
API int cublasLtMatrixLayoutDestroy(Layout* l) { return destroy(l); }
API int cublasLtMatrixLayoutSetAttribute(Layout* l, int attribute, const void* value, size_t size) {
    if (!live<Layout>().count(l)) return refuse(INVALID_VALUE, "the layout is unknown or destroyed");
    switch (attribute) {
        case 0: return set(l->type, value, size, "the type");
        case 1: return set(l->order, value, size, "the order");
        case 2: return set(l->rows, value, size, "the number of rows");
        case 3: return set(l->columns, value, size, "the number of columns");
        case 4: return set(l->leading, value, size, "the leading dimension");
        case 5: return set(l->batch, value, size, "the size of a batch");
        case 6: return set(l->stride, value, size, "the stride of a batch");
        default: return refuse(NOT_SUPPORTED, "attribute %d of a layout is not emulated", attribute);
    }
}
API int cublasLtMatmulPreferenceCreate(Preference** p) { return create(p); }
API int cublasLtMatmulPreferenceDestroy(Preference* p) { return destroy(p); }
API int cublasLtMatmulPreferenceSetAttribute(Preference* p, int attribute, const void* value, size_t size) {
    if (!live<Preference>().count(p)) return refuse(INVALID_VALUE, "the preference is unknown or destroyed");
    if (attribute == 1) return set(p->workspace, value, size, "the greatest workspace");
    if (attribute >= 5 && attribute <= 8) return set(p->alignment[attribute - 5], value, size, "an alignment");
    return refuse(NOT_SUPPORTED, "attribute %d of a preference is not emulated", attribute);
}
API int cublasLtMatmulAlgoGetHeuristic(Handle* h, Descriptor* d, Layout* a, Layout* b, Layout* c, Layout* out, Preference* p, int wanted,
        Heuristic* results, int* got) {
    *got = 0;
    if (!live<Handle>().count(h)) return NOT_INITIALIZED;
    if (const int error = checked(d, a, b, c, out)) return error;
    if (!live<Preference>().count(p) || wanted < 1) return refuse(INVALID_VALUE, "a preference and room for a result");
    const uint64_t workspace = p->workspace < WORKSPACE ? 0 : WORKSPACE;
    memset(results, 0, sizeof *results);
    results->algorithm = {ALGORITHM, workspace, typesOf(*d, *a, *b, *out), {p->alignment[0], p->alignment[1], p->alignment[2], p->alignment[3]}, {}};
    results->workspace = workspace;
    results->waves = 1;
    *got = 1;
    return OK;
}

API int cublasLtMatmul(Handle* h, Descriptor* d, const float* alpha, const void* A, Layout* a, const void* B, Layout* b, const float* beta,
        const void* C, Layout* c, void* D, Layout* out,
                       const Algorithm* algorithm, void* workspace, size_t workspaceBytes, void* stream) {
    if (!live<Handle>().count(h)) return NOT_INITIALIZED;
    if (const int error = checked(d, a, b, c, out)) return error;
    if (!alpha || !beta) return refuse(INVALID_VALUE, "alpha or beta is null");
    std::vector<Range> ranges;
    const void* pointers[] = {A, B, C, D};
    const Layout* layouts[] = {a, b, c, out};
    for (int i = 0; i < 4; i++) {
        if (i == 2 && *beta == 0) continue;   // C is not read
        const uint64_t p = reinterpret_cast<uint64_t>(pointers[i]), bytes = layouts[i]->bytes();
        const char name = "ABCD"[i];
        if (!cuemuInOneAllocation(p, bytes))
            return refuse(INVALID_VALUE, "%c: %llu bytes at %llx do not lie in one allocation", name, (unsigned long long)bytes,
                    (unsigned long long)p);
        if (p % layouts[i]->elementBytes()) return refuse(INVALID_VALUE, "%c is not aligned to its elements", name);
        if (algorithm && p % algorithm->alignment[i])
            return refuse(INVALID_VALUE, "%c is at %llx, but the algorithm was chosen for an alignment of %u bytes (CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_%c_BYTES)", name, (unsigned long long)p, algorithm->alignment[i], name);
        ranges.push_back({p, bytes, i == 3});
    }
    const Range& target = ranges.back();
    for (int i = 0; i < 2; i++)
        if (ranges[i].address < target.address + target.bytes && target.address < ranges[i].address + ranges[i].bytes)
            return refuse(INVALID_VALUE, "D overlaps %c", "AB"[i]);
    if (*beta != 0 && C != D && ranges[2].address < target.address + target.bytes && target.address < ranges[2].address + ranges[2].bytes)
        return refuse(INVALID_VALUE, "D overlaps C without being it");
    if (algorithm) {
        if (algorithm->magic != ALGORITHM) return refuse(INVALID_VALUE, "the algorithm is not one of cublasLtMatmulAlgoGetHeuristic");
        if (algorithm->types != typesOf(*d, *a, *b, *out)) return refuse(NOT_SUPPORTED, "the algorithm was chosen for other types or operations");
        if (workspaceBytes < algorithm->workspace)
            return refuse(INVALID_VALUE, "a workspace of %zu bytes, the algorithm needs %llu", workspaceBytes,
                    (unsigned long long)algorithm->workspace);
        if (algorithm->workspace) {
            const uint64_t p = reinterpret_cast<uint64_t>(workspace);
            if (p % 256 || !cuemuInOneAllocation(p, workspaceBytes))
                return refuse(INVALID_VALUE, "the workspace must be device memory, aligned to 256 bytes");
            ranges.push_back({p, algorithm->workspace, true});   // so that two streams cannot share it unnoticed
        }
    }
    auto* job = new Job{*d, *a, *b, *c, *out, A, B, C, D, *alpha, *beta};
    auto run = [](void* p) { compute(std::unique_ptr<Job>(static_cast<Job*>(p))); };
    if (const int error = cuemuSubmit(stream, "cublasLtMatmul", run, job, ranges.data(), ranges.size()))
        return error == 700 || error == 719 ? EXECUTION_FAILED : NOT_INITIALIZED;
    return OK;
}
