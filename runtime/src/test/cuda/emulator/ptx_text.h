// Small helpers for reading PTX text.
#pragma once
#include "ptx.h"
#include <stdexcept>

namespace ptx {
[[noreturn]] inline void fail(const std::string& what) { throw std::runtime_error(what); }
std::string trim(const std::string& s);
/** Splits at c outside of braces and brackets; parts are trimmed. */
std::vector<std::string> split(const std::string& s, char c);
std::vector<std::string> wordsOf(const std::string& s);
/** A decimal, hexadecimal or 0f/0d literal. */
bool number(const std::string& s, uint64_t& value);

/** ".align 16 .b8 name[24]" and the like, as used by .param, .shared, .local, .global, .const. */
struct Variable {
    std::string name;
    Type type = NO_TYPE;
    unsigned align = 0, count = 1;
    bool isPtr = false, unsized = false;
    std::string init;
};
Variable variable(std::string s);

/** Characters of a module, with the line they are on; comments are skipped. */
struct Reader {
    const std::string text;
    size_t p = 0;
    int line = 1;

    explicit Reader(const char* t) : text(t) {}
    char at(size_t i) const { return i < text.size() ? text[i] : 0; }
    char here() const { return at(p); }
    void skip();
    /** The rest of the line, without a comment. */
    std::string toNewline();
    /** Text up to one of the stop characters outside of braces. */
    std::string upTo(const char* stop);
    void skipBlock();
};
}  // namespace ptx
