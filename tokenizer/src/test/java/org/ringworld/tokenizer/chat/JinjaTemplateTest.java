package org.ringworld.tokenizer.chat;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.InputStream;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class JinjaTemplateTest {
    /** Templates in use and small ones, each with what Jinja2 3.1 made of it; null for an error. */
    @Test
    void rendersWhatJinja2Renders() throws Exception {
        JsonNode all = resource("jinja-cases.json");
        List<String> differences = new ArrayList<>();
        for (JsonNode one : all.path("cases").values()) {
            String template = all.path("templates").path(one.path(0).intValue()).stringValue();
            JsonNode names = all.path("contexts").path(one.path(1).intValue());
            String expected = one.path(2).isNull() ? null : one.path(2).stringValue();
            compare(template, names, expected, differences);
        }
        assertThat(differences).isEmpty();
    }

    @Test
    void rendersUsersTemplates() throws Exception {
        List<String> differences = new ArrayList<>();
        for (JsonNode one : resource("templates.json").values()) {
            String expected =
                    one.path("error").asBoolean() ? null : one.path("expected").stringValue();
            compare(one.path("template").stringValue(), one, expected, differences);
        }
        assertThat(differences).isEmpty();
    }

    private static void compare(
            String template, JsonNode names, String expected, List<String> differences) {
        String rendered = render(template, names);
        if (expected == null ? rendered != null : !expected.equals(rendered)) {
            differences.add("%s\ngives %s\nnot %s".formatted(template, rendered, expected));
        }
    }

    /** Null where the template fails. */
    private static String render(String template, JsonNode names) {
        try {
            return JinjaTemplate.parse(template).render(names(names));
        } catch (JinjaException e) {
            return null;
        }
    }

    private static Map<String, Object> names(JsonNode json) {
        Map<String, Object> names = new LinkedHashMap<>();
        json.properties().forEach(entry -> names.put(entry.getKey(), value(entry.getValue())));
        return names;
    }

    private static Object value(JsonNode json) {
        return switch (json.getNodeType()) {
            case STRING -> json.stringValue();
            case BOOLEAN -> json.booleanValue();
            case NUMBER -> json.isIntegralNumber() ? json.longValue() : (Object) json.doubleValue();
            case ARRAY -> {
                List<Object> values = new ArrayList<>();
                json.forEach(one -> values.add(value(one)));
                yield values;
            }
            case OBJECT -> names(json);
            default -> null;
        };
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "{% include 'x' %};1;the statement include is not known",
                "a\\n{{ x | shuffle }};2;the filter shuffle is not known",
                "a\\n\\n{{ x is lovely }};3;the test lovely is not known",
                "a\\n{{ messages[0].role }};2;messages is undefined",
                "{% if x %}\\n\\na;3;elif",
                "a\\n{{ 'b' + 1 }};2;+ cannot stand between str and int",
                "{{ raise_exception('roles must alternate') }};1;roles must alternate",
                "{% for x in y recursive %}{% endfor %};1;recursive",
                "a {{ b;1;a tag is never closed",
            })
    void faultsAreNamedWithTheirLine(String template, int line, String words) {
        assertThatThrownBy(
                        () -> JinjaTemplate.parse(template.replace("\\n", "\n")).render(Map.of()))
                .isInstanceOfSatisfying(
                        JinjaException.class, e -> assertThat(e.line()).isEqualTo(line))
                .hasMessageContaining(words);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}{% endfor %}{% endfor %}{% endfor %}",
                "{% set n = namespace(x='ab') %}{% for a in range(99) %}{% set n.x = n.x ~ n.x %}{% endfor %}",
                "{% set n = namespace(x=[1]) %}{% for a in range(99) %}{% set n.x = n.x + n.x %}{% endfor %}",
                "{% set n = namespace(x=[1]) %}{% for a in range(99) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x }}",
                "{% set n = namespace(x=[1]) %}{% for a in range(99) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x | tojson }}",
                "{% set n = namespace(x=[1], y=[1]) %}{% for a in range(99) %}{% set n.x = [n.x, n.x] %}{% set n.y = [n.y, n.y] %}{% endfor %}{{ n.x == n.y }}",
                "{% macro f() %}{{ f() }}{{ f() }}{% endmacro %}{{ f() }}",
                "{{ 'a' * 999999999 }}",
                "{{ 'a'.ljust(999999999) }}",
                "{{ 'a' | center(999999999) }}",
                "{{ range(999999999) }}",
                "{{ 10 ** 999 }}",
                "{% set d = namespace() %}{% set d.d = d %}{{ d }}",
                "{% set x = 'a' * 9999 %}{% for a in range(9999) %}{{ x.replace('', x) }}{% endfor %}",
            })
    void aTemplateThatWouldNeverEndIsRefused(String template) {
        assertThatThrownBy(() -> JinjaTemplate.parse(template).render(Map.of()))
                .isInstanceOf(JinjaException.class);
    }

    @Test
    void deepNestingIsRefused() {
        for (String part :
                List.of("(", "[", "not ", "-", "{1:", "x.y(", "1 if 1 else ", "1+", "a|")) {
            for (String open : List.of("{{ ", "{% if ", "{% set x = ")) {
                String template = open + part.repeat(20_000);
                assertThatThrownBy(() -> JinjaTemplate.parse(template).render(Map.of()))
                        .isInstanceOf(JinjaException.class);
            }
        }
        String blocks = "{% if 1 %}".repeat(20_000);
        assertThatThrownBy(() -> JinjaTemplate.parse(blocks)).isInstanceOf(JinjaException.class);
        String chain = "{{ 1" + " + 1".repeat(20_000) + " }}";
        assertThatThrownBy(() -> JinjaTemplate.parse(chain).render(Map.of()))
                .isInstanceOf(JinjaException.class);
    }

    /** Whatever is done to a template, it gives text or the exception that names its fault. */
    @Test
    void damagedTemplatesGiveTextOrTheirFault() throws Exception {
        JsonNode all = resource("jinja-cases.json");
        Random random = new Random(7);
        List<String> pieces =
                List.of(
                        "{%",
                        "%}",
                        "{{",
                        "}}",
                        "{#",
                        "-",
                        "'",
                        "\"",
                        "(",
                        ")",
                        "[",
                        "]",
                        "|",
                        ".",
                        " if ",
                        " else ",
                        " for ",
                        " in ",
                        "\\",
                        "\n",
                        "0",
                        "é",
                        "\ud83d",
                        "is",
                        "not ",
                        "{% endif %}",
                        "{% endfor %}",
                        ",",
                        ":",
                        "*",
                        "~",
                        "=",
                        "tojson",
                        "loop.",
                        "none");
        for (int round = 0; round < 3000; round++) {
            JsonNode one = all.path("cases").path(random.nextInt(all.path("cases").size()));
            StringBuilder template =
                    new StringBuilder(
                            all.path("templates").path(one.path(0).intValue()).stringValue());
            for (int edit = random.nextInt(4); edit >= 0; edit--) {
                int at = random.nextInt(template.length() + 1);
                int to = Math.min(template.length(), at + random.nextInt(6));
                template.replace(at, to, pieces.get(random.nextInt(pieces.size())));
            }
            render(template.toString(), all.path("contexts").path(one.path(1).intValue()));
        }
        byte[] bytes = new byte[300];
        for (int round = 0; round < 1000; round++) {
            random.nextBytes(bytes);
            render("{{ " + new String(bytes, "ISO-8859-1"), all.path("contexts").path(0));
        }
    }

    private static JsonNode resource(String name) throws Exception {
        try (InputStream in = JinjaTemplateTest.class.getResourceAsStream(name)) {
            return JsonMapper.shared().readTree(in);
        }
    }
}
