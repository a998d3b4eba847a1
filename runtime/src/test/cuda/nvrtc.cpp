// libnvrtc.so for tests: NVRTC's functions as its header declares them, done by the nvcc of the path. What it cannot show: how NVRTC
// itself takes the sources.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>
#define API extern "C" __attribute__((visibility("default"))) int

namespace fs = std::filesystem;
enum { OK = 0, INVALID_INPUT = 3, INVALID_PROGRAM = 4, INVALID_OPTION = 5, COMPILATION = 6 };

struct Program {
    fs::path folder;
    std::string name, log, ptx, cubin;
};

static std::string content(const fs::path& file) {
    std::ifstream in(file, std::ios::binary);
    std::ostringstream all;
    all << in.rdbuf();
    return all.str();
}

API nvrtcVersion(int* major, int* minor) {
    *major = 13, *minor = 7;   // not nvcc's, so that the two are told apart
    return OK;
}
API nvrtcGetNumSupportedArchs(int* n) {
    *n = 3;
    return OK;
}
API nvrtcGetSupportedArchs(int* archs) {
    archs[0] = 75, archs[1] = 80, archs[2] = 86;
    return OK;
}
API nvrtcCreateProgram(Program** out, const char* source, const char* name, int count, const char* const* headers, const char* const* names) {
    if (!out || !source || count < 0) return INVALID_INPUT;
    char pattern[] = "/tmp/nvrtcXXXXXX";
    auto* p = new Program{mkdtemp(pattern), name, "", "", ""};
    std::ofstream(p->folder / name) << source;
    for (int i = 0; i < count; i++) std::ofstream(p->folder / names[i]) << headers[i];
    *out = p;
    return OK;
}
API nvrtcDestroyProgram(Program** p) {
    if (!p || !*p) return INVALID_PROGRAM;
    fs::remove_all((*p)->folder);
    delete *p;
    *p = nullptr;
    return OK;
}
API nvrtcCompileProgram(Program* p, int count, const char* const* options) {
    std::string arch, rest;
    for (int i = 0; i < count; i++) {
        const std::string o = options[i];
        if (o.rfind("--gpu-architecture=", 0) == 0) arch = o.substr(19);
        else rest += " " + o;
    }
    if (arch.rfind("sm_", 0) != 0 && arch.rfind("compute_", 0) != 0) return INVALID_OPTION;
    const bool real = arch[0] == 's';
    const fs::path out = p->folder / "out", log = p->folder / "log";
    const std::string command = std::string("nvcc ") + (real ? "-cubin" : "-ptx") + " -arch=" + arch + rest + " -o " + out.string() + " " + (p->folder / p->name).string() + " > " + log.string() + " 2>&1";
    const int result = std::system(command.c_str());
    p->log = content(log);
    (real ? p->cubin : p->ptx) = content(out);
    return result ? COMPILATION : OK;
}
#define RESULT(Name, bytes) \
    API nvrtcGet##Name##Size(Program* p, size_t* n) { *n = bytes; return OK; } \
    API nvrtcGet##Name(Program* p, char* to)
RESULT(PTX, p->ptx.size() + 1) { memcpy(to, p->ptx.c_str(), p->ptx.size() + 1); return OK; }
RESULT(ProgramLog, p->log.size() + 1) { memcpy(to, p->log.c_str(), p->log.size() + 1); return OK; }
RESULT(CUBIN, p->cubin.size()) { memcpy(to, p->cubin.data(), p->cubin.size()); return OK; }
