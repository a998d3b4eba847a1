// One PTX statement -> Inst. The opcode must be in the whitelist (ptx_forms.cpp), the operands what its form says.
#include "ptx_parse.h"
#include <algorithm>
#include <set>

namespace ptx {
namespace {
const std::map<std::string, Op> SIBLINGS{   // opcodes that share a form with another
    {"sub", SUB}, {"max", MAX}, {"or", OR}, {"xor", XOR}, {"lg2", LG2}, {"rsqrt", RSQRT}, {"sqrt", SQRT}, {"rcp", RCP}, {"sin", SIN}, {"cos", COS}, {"tanh", TANH}};
const std::map<std::string, int> COMPARISONS{{"eq", 0}, {"ne", 1},  {"lt", 2},  {"le", 3},  {"gt", 4},  {"ge", 5},   {"lo", 2},   {"ls", 3},
        {"hi", 4},
                                             {"hs", 5}, {"equ", 6}, {"neu", 7}, {"ltu", 8}, {"leu", 9}, {"gtu", 10}, {"geu", 11}, {"num", 12}, {"nan", 13}};
const std::set<std::string> SPECIAL{"%tid.x",    "%tid.y",    "%tid.z",   "%ntid.x", "%ntid.y",   "%ntid.z",       "%ctaid.x",
        "%ctaid.y",     "%ctaid.z",     "%nctaid.x",
                                    "%nctaid.y", "%nctaid.z", "%laneid",  "%warpid", "%nwarpid",  "%lanemask_eq",  "%lanemask_lt",
                                            "%lanemask_le", "%lanemask_gt", "%lanemask_ge"};

int flopsOf(const Inst& i) {
    const bool isFloat = i.type == F32 || i.type == F64 || i.type == F16 || i.type == BF16, two = i.type == F16X2 || i.type == BF16X2;
    if (!isFloat && !two) return 0;
    switch (i.op) {
        case FMA: case MAD: return two ? 4 : 2;
        case ADD: case SUB: case MUL: case DIV: case MIN: case MAX: return two ? 2 : 1;
        case EX2: case LG2: case SQRT: case RSQRT: case RCP: case SIN: case COS: case TANH: return 1;
        default: return 0;
    }
}
}  // namespace

void Parser::instruction(std::string statement) {
    Inst i = location;
    i.line = statementLine;
    if (statement[0] == '@') {
        i.negPred = statement[1] == '!';
        const auto e = statement.find_first_of(" \t\n");
        i.pred = operand(statement.substr(1 + i.negPred, e - 1 - i.negPred));
        statement = trim(statement.substr(e));
    }
    const auto e = statement.find_first_of(" \t\n");
    const std::string opcode = statement.substr(0, e);
    auto& [parts, form] = forms[opcode];
    if (!form) {
        parts = split(opcode, '.');
        form = &findForm(parts);
    }
    i.op = form->op;
    if (auto s = SIBLINGS.find(parts[0]); s != SIBLINGS.end()) i.op = s->second;
    if (parts[0] == "mul" && i.op == ADD) i.op = MUL;
    modifiers(i, parts);
    operands(i, e == std::string::npos ? std::vector<std::string>{} : split(statement.substr(e), ','), form->operands, parts[0] == "atom");
    check(i, opcode);
    if (parts[0] == "fence" || parts[0] == "membar") k->fences |= parts.back() != "cta";
    i.flops = flopsOf(i);
    i.handler = handlerOf(i);
    k->code.push_back(i);
}

void Parser::modifiers(Inst& i, const std::vector<std::string>& parts) {
    auto has = [&](const char* m) { return std::find(parts.begin() + 1, parts.end(), m) != parts.end(); };
    auto which = [&](std::initializer_list<const char*> names) {
        int n = 0;
        for (auto* x : names) {
            if (has(x)) return n;
            n++;
        }
        return -1;
    };
    for (auto& x : parts)
        if (Type t = typeOf(x); t != NO_TYPE) {
            i.type2 = i.type;
            i.type = t;
        }
    i.space = has("shared") || has("shared::cta") ? SHARED : has("local") ? LOCAL : has("global") ? GLOBAL : GENERIC;
    i.width = has("v2") ? 2 : has("v4") ? 4 : 1;
    i.ftz = has("ftz");
    i.sat = has("sat");
    i.nan = has("NaN");
    if (int r = which({"rn", "rz", "rm", "rp"}); r >= 0) i.round = "nzmp"[r];
    if (int r = which({"rni", "rzi", "rmi", "rpi"}); r >= 0) {
        i.round = "nzmp"[r];
        i.intRound = true;
    }
    switch (i.op) {
        case SETP: i.sub = COMPARISONS.at(parts[1]) | (has("and") ? 16 : has("or") ? 32 : has("xor") ? 48 : 0); break;
        case ATOM: i.sub = which({"add", "min", "max", "and", "or", "xor", "exch", "cas", "inc", "dec"}); break;
        case SHF: i.sub = has("l") | has("clamp") * 2; break;
        case BFIND: i.sub = has("shiftamt"); break;
        case SHFL: i.sub = which({"bfly", "idx", "up", "down"}); break;
        case VOTE: i.sub = which({"ballot", "any", "all", "uni"}); break;
        case BAR_RED: i.sub = which({"popc", "and", "or"}); break;
        case MATCH: i.sub = has("all"); break;
        case REDUX: i.sub = which({"add", "min", "max", "and", "or", "xor"}); break;
        case CP_ASYNC: i.sub = has("cg"); break;
        case LDMATRIX:
            i.sub = has("trans");
            i.width = has("x4") ? 4 : has("x2") ? 2 : 1;
            break;
        default: break;
    }
}

void Parser::operands(Inst& i, const std::vector<std::string>& given, const char* spec, bool returns) {
    size_t n = 0;
    int s = 0, v = 0, m = 0;
    bool optional = false;
    auto next = [&]() -> const std::string& {
        if (n >= given.size()) fail("an operand is missing");
        return given[n++];
    };
    auto predicate = [&] {
        std::string x = next();
        if (x[0] == '!') {
            i.negC = true;
            x = trim(x.substr(1));
        }
        return operand(x);
    };
    if (spec[0] == 'a') {   // atom d, [m], b (, c) and red [m], b
        if (returns)
            if (auto& d = next(); d != "_") i.dst = operand(d);
        i.src[0] = address(next(), i.offset[0]);
        i.src[1] = operand(next());
        if (i.sub == 7) i.src[2] = operand(next());
    } else if (spec[0] == 'b') {   // bar.red d, barrier (, threads), c
        i.dst = operand(next());
        i.src[0] = operand(next());
        if (given.size() == 4) i.src[1] = operand(next());
        i.src[2] = predicate();
    } else {
        for (auto& kind : split(spec, ' ')) {
            if (kind == "?") {
                optional = true;
                continue;
            }
            if (optional && n == given.size()) break;
            switch (kind[0]) {
                case 'd': i.dst = operand(next()); break;
                case 'D': {
                    const auto d = split(next(), '|');
                    if (d[0] != "_") i.dst = operand(d[0]);
                    if (d.size() > 1 && d[1] != "_") i.dst2 = operand(d[1]);
                    break;
                }
                case 's': i.src[s++] = operand(next()); break;
                case 'c': i.src[s++] = predicate(); break;
                case 'i': {
                    uint64_t value;
                    if (!number(next(), value)) fail("immediate expected: " + given[n - 1]);
                    i.offset[2] = (int)value;
                    break;
                }
                case 'm':
                    i.src[s++] = address(next(), i.offset[m]);
                    m++;
                    break;
                case 'V': {
                    list(next(), i.vec[v], i.vecSize[v]);
                    v++;
                    break;
                }
                case 'l': jumps.push_back({k->code.size(), scope, next()}); break;
                case 'M': {
                    const std::string in = next().substr(1, given[n - 1].size() - 2);
                    const auto plus = in.find('+');
                    const std::string name = trim(in.substr(0, plus));
                    bool found = false;
                    for (auto& q : k->params)
                        if (q.name == name) {
                            i.offset[0] = q.offset + (plus == std::string::npos ? 0 : std::stoi(trim(in.substr(plus + 1)), nullptr, 0));
                            found = true;
                        }
                    if (!found) fail("ld.param of " + name + ", which is not a kernel parameter");
                    break;
                }
            }
        }
    }
    if (n != given.size()) fail("too many operands: " + given[n]);
}

void Parser::check(Inst& i, const std::string& opcode) {
    if ((i.op == LD || i.op == ST || i.op == LDPARAM || i.op == LDMATRIX) && i.vecSize[0] != i.width) fail("number of registers of " + opcode);
    if (i.op == MMA && (i.vecSize[0] != 4 || i.vecSize[1] != 4 || i.vecSize[2] != 2 || i.vecSize[3] != 4)) fail("number of registers of " + opcode);
    if (i.op == LDPARAM && i.type == U64)
        for (size_t n = 0; n < k->params.size(); n++)
            if (k->params[n].offset == unsigned(i.offset[0]) && k->params[n].size == 8) loaded[i.vec[0][0]] = n;
    if (i.op == CVTA_TO && i.space == GLOBAL)   // a pointer, also where nvcc does not say .ptr
        if (auto p = loaded.find(i.src[0]); p != loaded.end()) k->params[p->second].isPtr = true;
    if (i.op == CP_ASYNC) {
        const int n = i.offset[2];
        if (n != 4 && n != 8 && n != 16) fail("cp.async of " + std::to_string(n) + " bytes");
        if (i.sub && n != 16) fail("cp.async.cg takes 16 bytes");
        i.width = n;
        if (i.src[2] < 0) i.src[2] = constant(n);
        k->granule = std::min<unsigned>(k->granule, n);
    }
    const bool maybeShared = i.space == SHARED || i.space == GENERIC;
    if ((i.op == LD || i.op == ST || i.op == ATOM) && maybeShared) k->granule = std::min(k->granule, sizeOf(i.type) * i.width);
}

int Parser::slot(const std::string& name) { return k->regs.emplace(name, (int)k->regs.size()).first->second; }

int Parser::constant(uint64_t value) {
    const std::string name = "#" + std::to_string(value);
    const bool fresh = !k->regs.count(name);
    const int r = slot(name);
    if (fresh) k->constants.push_back({r, value});
    return r;
}

bool Parser::declared(const std::string& name, int& owner) const {
    size_t digits = name.size();
    while (digits && isdigit((unsigned char)name[digits - 1])) digits--;
    for (int s = scope; s >= 0; s = scopes[s].parent) {
        owner = s;
        if (scopes[s].registers.count(name)) return true;
        if (auto r = scopes[s].ranges.find(name.substr(0, digits)); digits < name.size() && r != scopes[s].ranges.end()) return true;
    }
    return false;
}

int Parser::operand(const std::string& name) {
    uint64_t value;
    int owner;
    if (name.empty()) fail("empty operand");
    if (number(name, value)) return constant(value);
    if (declared(name, owner)) return slot(owner ? std::to_string(owner) + ":" + name : name);
    if (name[0] == '%') {
        if (!SPECIAL.count(name)) fail("special register " + name + " is not supported");
        return k->special[name] = slot(name);
    }
    if (auto i = sharedVariables.find(name); i != sharedVariables.end()) return constant(i->second);
    if (auto i = localVariables.find(name); i != localVariables.end()) return constant(i->second);
    if (auto i = module->variables.find(name); i != module->variables.end()) return constant(i->second.address);
    if (auto i = moduleShared.find(name); i != moduleShared.end()) {
        if (i->second.unsized) return k->dynamicShared = slot("$dynamic");
        return constant(placeShared(i->second));
    }
    fail("name " + name + " is not declared");
}

void Parser::list(const std::string& text, int (&registers)[4], uint8_t& size) {
    const auto names = text[0] == '{' ? split(text.substr(1, text.rfind('}') - 1), ',') : std::vector<std::string>{text};
    if (names.size() > 4) fail("more than four registers: " + text);
    for (auto& x : names) registers[size++] = operand(x);
}

int Parser::address(const std::string& text, int& offset) {
    if (text[0] != '[' || text.back() != ']') fail("[address] expected: " + text);
    const std::string in = text.substr(1, text.size() - 2);
    const auto plus = in.find('+');
    offset = plus == std::string::npos ? 0 : std::stoi(trim(in.substr(plus + 1)), nullptr, 0);
    return operand(trim(in.substr(0, plus)));
}
}  // namespace ptx
