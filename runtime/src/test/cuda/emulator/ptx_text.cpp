// Small helpers for reading PTX text.
#include "ptx_text.h"
#include <cstring>

namespace ptx {
std::string trim(const std::string& s) {
    const auto a = s.find_first_not_of(" \t\r\n"), b = s.find_last_not_of(" \t\r\n");
    return a == std::string::npos ? "" : s.substr(a, b - a + 1);
}

std::vector<std::string> split(const std::string& s, char c) {
    std::vector<std::string> parts;
    std::string part;
    int depth = 0;
    for (char x : s) {
        if (strchr("{[(", x)) depth++;
        if (strchr("}])", x)) depth--;
        if (x == c && depth == 0) {
            parts.push_back(trim(part));
            part.clear();
        } else {
            part += x;
        }
    }
    if (!trim(part).empty()) parts.push_back(trim(part));
    return parts;
}

std::vector<std::string> wordsOf(const std::string& s) {
    std::vector<std::string> words;
    std::string word;
    for (char x : s + " ") {
        if (!isspace((unsigned char)x)) {
            word += x;
        } else if (!word.empty()) {
            words.push_back(word);
            word.clear();
        }
    }
    return words;
}

bool number(const std::string& s, uint64_t& value) {
    if (s.size() > 2 && s[0] == '0' && strchr("fFdD", s[1])) {
        value = std::stoull(s.substr(2), nullptr, 16);
        return true;
    }
    if (s.empty() || !(isdigit((unsigned char)s[0]) || (s[0] == '-' && s.size() > 1))) return false;
    value = s[0] == '-' ? (uint64_t)std::stoll(s, nullptr, 0) : std::stoull(s, nullptr, 0);
    return true;
}

Type typeOf(const std::string& name) {
    static const std::map<std::string, Type> types{
        {"u8", U8},   {"b8", U8},   {"s8", S8},   {"u16", U16}, {"b16", U16},   {"s16", S16},     {"u32", U32},       {"b32", U32}, {"s32", S32},
        {"u64", U64}, {"b64", U64}, {"s64", S64}, {"f16", F16}, {"bf16", BF16}, {"f16x2", F16X2}, {"bf16x2", BF16X2}, {"f32", F32}, {"f64", F64},
        {"pred", PRED}};
    const auto i = types.find(name);
    return i == types.end() ? NO_TYPE : i->second;
}

unsigned sizeOf(Type t) {
    static const unsigned sizes[] = {1, 1, 2, 2, 4, 4, 8, 8, 2, 2, 4, 4, 4, 8, 1, 0};
    return sizes[t];
}

Variable variable(std::string s) {
    Variable v;
    if (const auto e = s.find('='); e != std::string::npos) {
        v.init = trim(s.substr(e + 1));
        s = s.substr(0, e);
    }
    if (const auto b = s.find('['); b != std::string::npos) {
        const std::string n = trim(s.substr(b + 1, s.find(']') - b - 1));
        v.unsized = n.empty();
        v.count = v.unsized ? 0 : std::stoul(n);
        s = s.substr(0, b);
    }
    const auto w = wordsOf(s);
    for (size_t i = 0; i < w.size(); i++) {
        if (w[i] == ".align") {
            const unsigned a = std::stoul(w[++i]);
            if (!v.isPtr) v.align = a;   // after .ptr it is the pointee's
        } else if (w[i] == ".ptr") {
            v.isPtr = true;
        } else if (w[i][0] == '.' && typeOf(w[i].substr(1)) != NO_TYPE) {
            v.type = typeOf(w[i].substr(1));
        } else if (w[i][0] != '.') {
            v.name = w[i];
        }
    }
    if (v.type == NO_TYPE || v.name.empty()) fail("declaration: " + s);
    if (!v.align) v.align = sizeOf(v.type);
    return v;
}

void Reader::skip() {
    for (;;) {
        while (p < text.size() && isspace((unsigned char)text[p])) line += text[p++] == '\n';
        if (here() == '/' && at(p + 1) == '/') {
            while (p < text.size() && text[p] != '\n') p++;
        } else if (here() == '/' && at(p + 1) == '*') {
            while (p < text.size() && !(text[p] == '*' && at(p + 1) == '/')) line += text[p++] == '\n';
            p += 2;
        } else {
            return;
        }
    }
}

std::string Reader::toNewline() {
    std::string s;
    while (p < text.size() && text[p] != '\n') s += text[p++];
    const auto comment = s.find("//");
    return trim(comment == std::string::npos ? s : s.substr(0, comment));
}

std::string Reader::upTo(const char* stop) {
    std::string s;
    int depth = 0;
    while (p < text.size()) {
        if (here() == '/' && (at(p + 1) == '/' || at(p + 1) == '*')) {
            skip();
            s += ' ';
            continue;
        }
        const char c = text[p];
        if (depth == 0 && strchr(stop, c)) return trim(s);
        if (strchr("{[(", c)) depth++;
        if (strchr("}])", c)) depth--;
        line += c == '\n';
        s += c;
        p++;
    }
    fail("unexpected end of text");
}

void Reader::skipBlock() {
    int depth = 0;
    do {
        skip();
        if (here() == '{') depth++;
        if (here() == '}') depth--;
        if (here() == '"')
            do p++;
            while (p < text.size() && text[p] != '"');
        p++;
    } while (depth && p < text.size());
}
}  // namespace ptx
