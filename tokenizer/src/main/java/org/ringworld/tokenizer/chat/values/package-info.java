/**
 * Python's values as chat templates use them: operators, the methods of strings, lists and maps,
 * Jinja's filters and tests, and how values are written as text. Begin with {@link JinjaValues},
 * which says what Java has for each type of Python's.
 */
package org.ringworld.tokenizer.chat.values;
