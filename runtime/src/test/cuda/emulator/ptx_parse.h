// The parser's state: a module, and the kernel that is being read.
#pragma once
#include "ptx_text.h"
#include <set>

namespace ptx {
/** Names of registers and labels hold inside the braces where they are declared. */
struct Scope {
    int parent;
    std::set<std::string> registers;
    std::map<std::string, unsigned> ranges;   // .reg .b32 %r<5>: prefix and count
    std::map<std::string, int> labels;
};

struct Parser : Reader {
    std::shared_ptr<Module> module = std::make_shared<Module>();
    VariableMemory memory;
    void* memoryContext;
    int statementLine = 1;
    std::map<std::string, Variable> moduleShared;
    std::map<std::string, std::pair<std::vector<std::string>, const Form*>> forms;   // by the opcode's text
    // the kernel
    Kernel* k = nullptr;
    std::vector<Scope> scopes;
    int scope = 0;
    Inst location;   // the last .loc
    std::map<std::string, unsigned> sharedVariables, localVariables;
    struct Jump {
        size_t from;
        int scope;
        std::string label;
    };
    std::vector<Jump> jumps;
    std::map<int, size_t> loaded;   // register -> the parameter that it was loaded from

    Parser(const char* text, VariableMemory memory, void* context) : Reader(text), memory(memory), memoryContext(context) {}

    // ptx_parse.cpp: the module, declarations
    void readModule();
    void definition();
    void moduleVariable(const std::string& statement);
    void entry(const std::string& head);
    void kernelDirectives(const std::string& directives);
    void body();
    void directive();
    void loc();
    void registers(const std::string& statement);
    unsigned placeShared(const Variable& v);
    // ptx_instructions.cpp: statements, operands
    void instruction(std::string statement);
    void modifiers(Inst& i, const std::vector<std::string>& parts);
    void operands(Inst& i, const std::vector<std::string>& given, const char* spec, bool returns);
    void check(Inst& i, const std::string& opcode);
    int slot(const std::string& name);
    int constant(uint64_t value);
    bool declared(const std::string& name, int& owner) const;
    int operand(const std::string& name);
    int address(const std::string& text, int& offset);
    void list(const std::string& text, int (&registers)[4], uint8_t& size);
};
}  // namespace ptx
