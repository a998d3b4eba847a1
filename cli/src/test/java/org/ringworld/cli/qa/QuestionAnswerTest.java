package org.ringworld.cli.qa;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class QuestionAnswerTest {
    @ParameterizedTest
    @ValueSource(
            strings = {
                "Question: Who hid it?\nAnswer: The baker.",
                "question: Who hid it?\nanswer: The baker.\n",
                "Q: Who hid it? A: The baker.",
                "**Question:** Who hid it?\n**Answer:** The baker.",
                "**Question**: Who hid it?\n\n**Answer**: The baker.",
                "**Question: Who hid it?**\n\n**Answer: The baker.**",
                "__Question:__ Who hid it?\n__Answer:__ The baker.",
                "*Question:* Who hid it?\n*Answer:* The baker.",
                "### Question\nWho hid it?\n\n### Answer\nThe baker.",
                "## Question:\n\nWho hid it?\n\n## Answer:\n\nThe baker.\n\n---",
                "1. Question: Who hid it?\n2. Answer: The baker.",
                "- **Question 1:** Who hid it?\n- **Answer 1:** The baker.",
                "> Question: Who hid it?\n> Answer: The baker.",
                "Q1: Who hid it?\nA1: The baker.",
                "QUESTION: Who hid it?\nANSWER: The baker.",
                "Here you are:\n\nQuestion: Who hid it?\nAnswer: The baker.",
                "Question: Who hid it?\r\nAnswer: The baker.\r\n",
                "<think>\nQuestion: What?\nAnswer: That.\n</think>\n\nQuestion: Who hid it?\nAnswer: The baker.",
                "Hm. Question: no?\nAnswer: no.\n</think>Question: Who hid it?\nAnswer: The baker.",
                "<thinking>x</thinking>Question: Who hid it?\nAnswer: The baker.",
                "Question: What else?\nAnswer: That.\nQuestion: Who hid it?\nAnswer: The baker.\nQuestion: And?",
            })
    void theLastPairIsReadInWhateverFormItIsWritten(String said) {
        QuestionAnswer pair = QuestionAnswer.read(said);
        assertThat(pair.fault()).isNull();
        assertThat(pair.question()).isEqualTo("Who hid it?");
        assertThat(pair.answer()).isEqualTo("The baker.");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "<think>Question: a?\\nAnswer: b. | thinking comes to no end",
                "<think>a</think> | says nothing",
                "I cannot do that. | no line \"Question: …\"",
                "Question: Who hid it? | no line \"Answer: …\"",
                "Question: Who hid it?\\nAnswer: | answer is empty",
                "Question: Tell me.\\nAnswer: No. | no question mark",
            })
    void whyThereIsNoneIsSaid(String said, String fault) {
        assertThat(QuestionAnswer.read(said.replace("\\n", "\n")).fault()).contains(fault);
    }

    @Test
    void longAnswersAreReadInTime() {
        String said = "*# 1. ".repeat(20_000) + "\n".repeat(20_000) + "Question: a?\nAnswer: b.";
        assertThat(QuestionAnswer.read(said).answer()).isEqualTo("b.");
    }
}
