package org.ringworld.tokenizer.chat;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.InputStream;
import java.time.LocalDateTime;
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
                "{{ range(9) | batch(999999999, 1) | list }}",
                "{{ range(9) | slice(999999999) | list }}",
                "{{ ('{0:9999}' * 99999).format(1) }}",
                "{{ ('%(x)s' * 99999) % {'x': 'a' * 9999} }}",
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

    @Test
    void timesAreWrittenAsPythonWritesThem() {
        String codes =
                "%a %A %b %B %c %C %d %D %e %f %F %g %G %h %H %I %j %k %l %m %M %n %p %P %r %R %S"
                        + " %t %T %u %U %V %w %W %x %X %y %Y %z%Z%% %-d %-m %-j %-I %-M %_m %0e %^b";
        assertThat(JinjaTime.format(LocalDateTime.of(2026, 3, 5, 17, 8, 9, 12000), codes))
                .isEqualTo(
                        "Thu Thursday Mar March Thu Mar  5 17:08:09 2026 20 05"
                                + " 03/05/26  5 000012 2026-03-05 26 2026 Mar 17 05 064 17  5 03 08 \n PM"
                                + " pm 05:08:09 PM 17:08 09 \t 17:08:09 4 09 10 4 09 03/05/26 17:08:09 26 2026 % 5 3 64 5 8  3 05 MAR");
        assertThat(JinjaTime.format(LocalDateTime.of(2023, 1, 1, 0, 0), "%U %W %V %G %g %u %w %I"))
                .isEqualTo("01 00 52 2022 22 7 0 12");
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
