package org.ringworld.cli.eval;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.ringworld.cli.LiveLine;

/** Who redirects an evaluation sees that it gets on. */
class EvalLineTest {
    private static List<String> lines(int rows, int quietSeconds) {
        assumeFalse(LiveLine.onTerminal());
        PrintStream err = System.err;
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        System.setErr(new PrintStream(bytes, true, StandardCharsets.UTF_8));
        try (EvalLine line = new EvalLine("rows", rows, quietSeconds)) {
            for (int i = 0; i < rows; i++) {
                line.step();
            }
        } finally {
            System.setErr(err);
        }
        return bytes.toString(StandardCharsets.UTF_8).lines().toList();
    }

    @Test
    void aLineSaysHowManyRowsAreDoneAndTheTimeLeft() {
        assertThat(lines(3, 0))
                .containsExactly(
                        "evaluating 3 rows",
                        "evaluated 1 of 3 rows  ETA 0:00",
                        "evaluated 2 of 3 rows  ETA 0:00");
    }

    @Test
    void rowsThatTakeNoTimeGiveNoLines() {
        assertThat(lines(100, 3600)).containsExactly("evaluating 100 rows");
    }
}
