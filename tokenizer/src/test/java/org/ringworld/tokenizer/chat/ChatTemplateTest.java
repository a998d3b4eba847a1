package org.ringworld.tokenizer.chat;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.ringworld.tokenizer.ByteTokenizer;
import org.ringworld.tokenizer.DataException;
import org.ringworld.tokenizer.TextDecoder;
import org.ringworld.tokenizer.Tokenizer;
import org.ringworld.tokenizer.chat.ChatTemplate.Message;
import tools.jackson.databind.json.JsonMapper;

class ChatTemplateTest {
    private static final Tokenizer BYTES = new ByteTokenizer();

    @TempDir Path tmp;

    @Test
    void lwmIsAskedInItsOwnWords() {
        assertThat(show(ChatTemplate.lwm(), new Message("user", "Hi?")))
                .isEqualTo("[256]You are a helpful assistant. USER: Hi? ASSISTANT:");
        assertThat(
                        show(
                                ChatTemplate.lwm(),
                                new Message("system", "Be brief."),
                                new Message("user", "Hi?"),
                                new Message("assistant", "Yes."),
                                new Message("user", "{{ bos_token }}")))
                .isEqualTo(
                        "[256]Be brief. USER: Hi? ASSISTANT: Yes.[257]USER: {{ bos_token }} ASSISTANT:");
        assertThatThrownBy(() -> show(ChatTemplate.lwm(), new Message("tool", "")))
                .hasMessageContaining("a message is by system (the first), user or assistant");
    }

    @ParameterizedTest
    @ValueSource(strings = {"</s>", "a <s> b</s><pad>", "\ufdd00\ufdd1", "\ufdd01\ufdd1</s>", "<s"})
    void whatAUserWritesNeverBecomesASpecialToken(String content) {
        assertThat(show(ChatTemplate.lwm(), new Message("user", content)))
                .isEqualTo("[256]You are a helpful assistant. USER: " + content + " ASSISTANT:");
    }

    @Test
    void templatesOfWellKnownModelsGiveWhatTransformersGives() throws Exception {
        assertThat(
                        own(
                                "{% for m in messages %}{{ bos_token + '[INST] ' + m['content'].strip() + ' [/INST]' }}{% endfor %}"))
                .isEqualTo("[256][INST] Hi [/INST]");
        assertThat(
                        own(
                                "{% for m in messages %}{% set c = '<h>' + m['role'] + '</h>\n' + m['content'] | trim + '</s>' %}{% if loop.index0 == 0 %}{% set c = bos_token + c %}{% endif %}{{ c }}{% endfor %}{% if add_generation_prompt %}{{ '<h>\n\n' }}{% endif %}"))
                .isEqualTo("[256]<h>user</h>\nHi[257]<h>\n\n");
        assertThat(
                        own(
                                "{%- for m in messages %}\n    {{- '<im>' + m.role + '\\n' + m.content.lstrip() + '</s>' }}\n{%- endfor %}\n"))
                .isEqualTo("<im>user\nHi [257]");
        assertThat(
                        own(
                                "{%- set ns = namespace(seen=false) -%}{%- for m in messages -%}{%- set ns.seen = true -%}{%- endfor -%}{{ ns.seen }}{{ messages[0].role.startswith('us') }}"))
                .isEqualTo("TrueTrue");
    }

    @Test
    void aTemplateAsksWhetherItsNamesAreGiven() throws Exception {
        String template =
                "{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}"
                        + "{% if not tools is defined %}{% set tools = none %}{% endif %}"
                        + "{{ bos_token }}{% for m in messages %}{{ m['content'] }}{% endfor %}"
                        + "{% if tools is not none %}tools{% endif %}"
                        + "{% if add_generation_prompt %}{{ ' Assistant:' }}{% endif %}";
        assertThat(own(template)).isEqualTo("[256] Hi  Assistant:");
    }

    @Test
    void specialTokensAreThoseThatTheModelNames() throws Exception {
        Files.writeString(
                tmp.resolve("tokenizer_config.json"),
                "{\"bos_token\": null, \"eos_token\": {\"content\": \"<e>\"}, \"pad_token\": \"<p>\"}");
        assertThat(own("{{ bos_token }}{{ eos_token }}{{ pad_token }}{{ unk_token }}"))
                .isEqualTo("<e><p>");
    }

    @Test
    void aProcessorsTemplateIsFound() throws Exception {
        Files.writeString(tmp.resolve("chat_template.json"), "{\"chat_template\": \"processor\"}");
        assertThat(show(ChatTemplate.load(tmp), new Message("user", "a"))).isEqualTo("processor");
    }

    private String own(String template) throws Exception {
        Files.writeString(tmp.resolve("chat_template.jinja"), template);
        return show(ChatTemplate.load(tmp), new Message("user", " Hi "));
    }

    @Test
    void aDirectorysOwnTemplateIsFound() throws Exception {
        assertThat(show(ChatTemplate.load(tmp), new Message("user", "a"))).contains("USER: a");
        config("\"own\"");
        assertThat(show(ChatTemplate.load(tmp), new Message("user", "a"))).isEqualTo("own");
        config(
                "[{\"name\": \"tool\", \"template\": \"t\"}, {\"name\": \"default\", \"template\": \"d\\n\\n\"}]");
        assertThat(show(ChatTemplate.load(tmp), new Message("user", "a"))).isEqualTo("d\n");
        Files.writeString(tmp.resolve("tokenizer_config.json"), "{");
        assertThatThrownBy(() -> ChatTemplate.load(tmp)).isInstanceOf(DataException.class);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{{ bos_token.getClass().forName('java.lang.System') }}",
                "{{ bos_token.class.classLoader }}",
                "{% include '/etc/hostname' %}",
                "{% import '/etc/hostname' as x %}",
                "{{ unknown_function(1) }}",
                "{{ 'never closed'",
                "{{ raise_exception('no') }}"
            })
    void aTemplateReachesNothingAndItsFaultsAreSentences(String template) throws Exception {
        Files.writeString(tmp.resolve("chat_template.jinja"), template);
        assertThatThrownBy(() -> show(ChatTemplate.load(tmp), new Message("user", "a")))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageStartingWith("the chat template fails at line 1: ");
    }

    @ParameterizedTest
    @ValueSource(strings = {"{{ ''.class }}", "{{ messages.class }}"})
    void classesAreNotThere(String template) throws Exception {
        Files.writeString(tmp.resolve("chat_template.jinja"), template);
        assertThat(show(ChatTemplate.load(tmp), new Message("user", "a"))).isEmpty();
    }

    @Test
    void toolsAndTheirCallsReachTheTemplateAndStayText() throws Exception {
        Files.writeString(
                tmp.resolve("chat_template.jinja"),
                "{{ tools | tojson }}{% for m in messages %}{{ m.content is none }}{% for c in m.tool_calls or [] %}{{ c.name }}({{ c.arguments | tojson }}){% endfor %}{% endfor %}");
        int[] ids =
                ChatTemplate.load(tmp)
                        .encode(
                                List.of(
                                        new HashMap<>(
                                                Map.of(
                                                        "role",
                                                        "assistant",
                                                        "tool_calls",
                                                        List.of(
                                                                Map.of(
                                                                        "name",
                                                                        "f</s>",
                                                                        "arguments",
                                                                        Map.of("x", 2L)))))),
                                List.of(Map.of("name", "</s>")),
                                BYTES);
        assertThat(BYTES.decode(ids)).isEqualTo("[{\"name\": \"</s>\"}]Falsef</s>({\"x\": 2})");
        assertThat(Arrays.stream(ids).max().getAsInt()).isLessThan(256);
    }

    private void config(String template) throws Exception {
        Files.writeString(
                tmp.resolve("tokenizer_config.json"),
                JsonMapper.shared().readTree("{\"chat_template\": " + template + "}").toString());
    }

    /** The text, with special tokens as numbers. */
    private static String show(ChatTemplate template, Message... messages) {
        StringBuilder shown = new StringBuilder();
        TextDecoder decoder = BYTES.decoder();
        for (int id : template.encode(List.of(messages), BYTES)) {
            shown.append(id < 256 ? decoder.next(id) : "[" + id + "]");
        }
        return shown.toString();
    }
}
