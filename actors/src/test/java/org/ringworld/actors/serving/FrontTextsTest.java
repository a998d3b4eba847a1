package org.ringworld.actors.serving;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.apache.pekko.actor.testkit.typed.javadsl.TestProbe;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.ringworld.model.decode.Ask;
import org.ringworld.model.decode.Made;
import org.ringworld.model.decode.Sampler;

/** What a front does with what is said to it; those who serve are only listened to. */
@Timeout(30)
class FrontTextsTest {
    private static final ActorTestKit KIT = ActorTestKit.create("fronts");
    private static final OfferedModel MODEL = new OfferedModel("1-m", "m", "/m", 0, "", 1);
    private static final int MOST = 4;

    private final TestProbe<ToFront> front = KIT.createTestProbe();
    private final TestProbe<ToServing> serving = KIT.createTestProbe();
    private final FrontTexts texts = new FrontTexts(front.getRef());

    @AfterAll
    static void shutdown() {
        KIT.shutdownTestKit();
    }

    private static FrontText text(int most, int scoresFrom) {
        Ask ask = new Ask(new int[] {1, 2, 3}, most, Sampler.GREEDY, Set.of(), 0, scoresFrom);
        return new FrontText(MODEL, ask, _ -> {});
    }

    private boolean serves(TestProbe<ToServing> by, long generation, OfferedModel offered) {
        return texts.serves(new ToFront.Serves(by.getRef(), generation, offered), null);
    }

    /** One that was asked for, and the number that it has. */
    private FrontText asked(int most, int scoresFrom) {
        serves(serving, 1, MODEL);
        serving.expectMessageClass(ToServing.Have.class);
        FrontText text = text(most, scoresFrom);
        texts.ask(text);
        assertThat(nextAsked(serving).number()).isEqualTo(text.number);
        return text;
    }

    private static ToServing.Asked nextAsked(TestProbe<ToServing> serving) {
        return serving.expectMessageClass(ToServing.Asked.class);
    }

    private static ToFront.Told tokens(long number, int from, int to) {
        List<Made.Token> tokens = new ArrayList<>();
        for (int i = from; i < to; i++) {
            tokens.add(new Made.Token(number, i, 100 + i, -1, List.of(), i == MOST - 1));
        }
        return new ToFront.Told(List.of(), List.of(), tokens, List.of());
    }

    private static ToFront.Told ended(long number, String fault) {
        return new ToFront.Told(
                List.of(), List.of(), List.of(), List.of(new ToFront.Ended(number, fault)));
    }

    private static void assertWritten(FrontText text) throws InterruptedException {
        List<Integer> ids = new ArrayList<>();
        for (Made.Token next = text.answer.next(); next != null; next = text.answer.next()) {
            ids.add(next.id());
        }
        assertThat(ids).containsExactly(100, 101, 102, 103);
    }

    @Test
    void aTokenThatComesTwiceIsGivenOnce() throws Exception {
        FrontText text = asked(MOST, 0);
        texts.told(tokens(text.number, 0, 2));
        texts.told(tokens(text.number, 0, 3));
        texts.told(tokens(text.number, 2, 4));
        texts.told(ended(text.number, null));
        assertWritten(text);
        serving.expectNoMessage();
    }

    @Test
    void whatIsMissingIsAskedForAgainAndLaterWordsOfTheOldAskingAreNobodys() throws Exception {
        FrontText text = asked(MOST, 0);
        long first = text.number;
        texts.told(tokens(first, 0, 1));
        texts.told(tokens(first, 2, 3)); // the second was lost
        assertThat(serving.expectMessageClass(ToServing.Cancelled.class).number()).isEqualTo(first);
        ToServing.Asked again = nextAsked(serving);
        assertThat(again.emitted()).containsExactly(100);
        assertThat(again.number()).isNotEqualTo(first);
        texts.told(tokens(first, 1, 4));
        texts.told(ended(first, "a fault of the old asking"));
        assertThat(text.heard()).isEqualTo(1);
        texts.told(tokens(again.number(), 1, 4));
        texts.told(ended(again.number(), null));
        assertWritten(text);
    }

    @Test
    void anEndThatComesTooEarlyIsNone() throws Exception {
        FrontText text = asked(MOST, 0);
        texts.told(tokens(text.number, 0, 2));
        texts.told(ended(text.number, null));
        ToServing.Asked again = nextAsked(serving);
        assertThat(again.emitted()).containsExactly(100, 101);
        texts.told(tokens(again.number(), 2, 4));
        texts.told(ended(again.number(), null));
        assertWritten(text);
    }

    @Test
    void whatIsUnknownIsAskedForAgainUnlessItIsComplete() throws Exception {
        FrontText going = asked(MOST, 0);
        FrontText complete = text(MOST, 0);
        texts.ask(complete);
        nextAsked(serving);
        texts.told(tokens(going.number, 0, 1));
        texts.told(tokens(complete.number, 0, 4)); // its end was lost
        texts.unknown(new ToFront.Unknown(Set.of(going.number, complete.number, 99L)));
        assertThat(nextAsked(serving).emitted()).containsExactly(100);
        serving.expectNoMessage();
        assertWritten(complete);
        texts.beat(0);
        assertThat(serving.expectMessageClass(ToServing.Have.class).heard())
                .isEqualTo(Map.of(going.number, 1));
    }

    @Test
    void whoeverServesNextIsAskedForAllThatIsOpen() throws Exception {
        FrontText text = asked(MOST, 0);
        long first = text.number;
        texts.told(tokens(first, 0, 2));
        texts.lost(serving.getRef(), 0);
        FrontText waits = text(MOST, 0);
        texts.ask(waits);
        TestProbe<ToServing> next = KIT.createTestProbe();
        assertThat(serves(next, 2, MODEL)).isFalse();
        assertThat(nextAsked(next).emitted()).containsExactly(100, 101);
        assertThat(nextAsked(next).emitted()).isEmpty();
        assertThat(next.expectMessageClass(ToServing.Have.class).heard())
                .isEqualTo(Map.of(text.number, 2, waits.number, 0));
        // The one before was only stopped, and wakes up.
        assertThat(serves(serving, 1, MODEL)).isFalse();
        texts.told(tokens(first, 2, 4));
        texts.told(ended(first, null));
        assertThat(text.heard()).isEqualTo(2);
        serving.expectNoMessage();
        for (FrontText one : List.of(text, waits)) {
            texts.told(tokens(one.number, one.heard(), 4));
            texts.told(ended(one.number, null));
            assertWritten(one);
        }
    }

    @Test
    void requestsWaitForAServingAndNotForEver() {
        FrontText text = asked(MOST, 0);
        texts.lost(serving.getRef(), 0);
        assertThat(texts.beat(Duration.ofSeconds(59).toNanos())).isEmpty();
        assertThat(texts.beat(Duration.ofSeconds(61).toNanos())).hasSize(1);
        assertThatThrownBy(text.answer::next).hasMessageContaining("no node of the cluster has");
        FrontText late = text(MOST, 0);
        texts.ask(late);
        assertThatThrownBy(late.answer::next).hasMessageContaining("does not serve m any more");
        assertThat(serves(serving, 2, MODEL)).isTrue();
    }

    @Test
    void aModelThatIsStoppedEndsItsTexts() {
        FrontEngine engine = new FrontEngine(null, MODEL);
        texts.serves(new ToFront.Serves(serving.getRef(), 1, MODEL), engine);
        serving.expectMessageClass(ToServing.Have.class);
        FrontText text = asked(MOST, 0);
        assertThat(texts.closed(new ToFront.Closed("2-other", "why"))).isNull();
        assertThat(texts.closed(new ToFront.Closed("1-m", "it was stopped"))).isSameAs(engine);
        assertThatThrownBy(text.answer::next).hasMessage("it was stopped");
    }

    private static ToServing.Have nextHave(TestProbe<ToServing> serving) {
        ToServing next = serving.receiveMessage();
        return next instanceof ToServing.Have have ? have : nextHave(serving);
    }

    @Test
    void whatIsWrittenEndsWithTheModelItBeganWith() throws Exception {
        FrontText text = asked(MOST, 0);
        assertThat(texts.opened(MODEL, "http://here")).isTrue();
        assertThat(nextHave(serving).address()).isEqualTo("http://here");
        OfferedModel newer = new OfferedModel("1-m@5", "m", "/n", 5, "", 1);
        TestProbe<ToServing> next = KIT.createTestProbe();
        assertThat(serves(next, 2, newer)).isTrue();
        assertThat(texts.opened(newer, "http://here")).isTrue();
        texts.told(tokens(text.number, 0, 4));
        texts.told(ended(text.number, null));
        assertWritten(text);
        texts.left(MODEL);
        ToServing.Have left = nextHave(serving);
        assertThat(left.left()).isTrue();
        assertThat(nextHave(next).left()).isFalse();
        // Whoever serves it from elsewhere learns the same, and nobody asks for it again.
        TestProbe<ToServing> again = KIT.createTestProbe();
        assertThat(serves(again, 3, MODEL)).isFalse();
        assertThat(nextHave(again).left()).isTrue();
    }

    @Test
    void anOlderModelThatIsOpenedLaterIsNotPutInTheNewersPlace() {
        OfferedModel newer = new OfferedModel("1-m@5", "m", "/n", 5, "", 1);
        serves(serving, 1, MODEL);
        serves(serving, 1, newer);
        assertThat(texts.opened(newer, "http://here")).isTrue();
        assertThat(texts.opened(MODEL, "http://here")).isFalse();
    }

    @Test
    void aModelThatNobodyAsksForAnyMoreEndsItsTexts() {
        FrontText text = asked(MOST, 0);
        texts.left(MODEL);
        assertThatThrownBy(text.answer::next).hasMessageContaining("stopped");
    }

    @Test
    void whatNobodyWaitsForIsCancelled() {
        FrontText text = asked(MOST, 0);
        texts.cancel(text);
        assertThat(serving.expectMessageClass(ToServing.Cancelled.class).number())
                .isEqualTo(text.number);
        texts.cancel(text);
        texts.told(tokens(text.number, 0, 4));
        texts.beat(0);
        assertThat(serving.expectMessageClass(ToServing.Have.class).heard()).isEmpty();
    }

    @Test
    void scoresAreGivenOnceAndOnlyTheRestIsAskedForAgain() throws Exception {
        FrontText text = asked(0, 1);
        Made.Scores first =
                new Made.Scores(
                        text.number,
                        1,
                        new float[] {-1},
                        new boolean[] {true},
                        new int[] {7, 8},
                        new float[] {-1, -2});
        texts.told(
                new ToFront.Told(
                        List.of(new ToFront.Begun(text.number, 2, 3)),
                        List.of(first),
                        List.of(),
                        List.of()));
        texts.told(ended(text.number, null));
        ToServing.Asked again = nextAsked(serving);
        assertThat(again.ask().scoresFrom()).isEqualTo(2);
        Made.Scores all =
                new Made.Scores(
                        again.number(),
                        1,
                        new float[] {-9, -2},
                        new boolean[] {false, false},
                        new int[] {1, 2, 3, 4},
                        new float[] {-1, -2, -3, -4});
        texts.told(
                new ToFront.Told(
                        List.of(new ToFront.Begun(again.number(), 0, 3)),
                        List.of(all),
                        List.of(),
                        List.of(new ToFront.Ended(again.number(), null))));
        assertThat(text.answer.next()).isNull();
        assertThat(text.answer.read()).isEqualTo(3);
        assertThat(text.answer.scores()).containsExactly(Float.NaN, -1, -2);
        assertThat(text.answer.likeliest(1).getFirst()).isEqualTo(new Made.Alternative(7, -1));
        assertThat(text.answer.likeliest(2).getLast()).isEqualTo(new Made.Alternative(4, -4));
        assertThat(text.answer.hits()).containsExactly(false, true, false);
        assertThat(text.answer.scored()).isEqualTo(2);
        assertThat(text.answer.cached()).isEqualTo(2);
        serving.expectNoMessage();
    }

    @Test
    void whatIsOnlyReadEndsOnce() throws Exception {
        FrontText text = asked(0, 0);
        texts.told(ended(text.number, null));
        assertThat(text.answer.next()).isNull();
        FrontText fault = text(0, 0);
        texts.ask(fault);
        nextAsked(serving);
        texts.told(ended(fault.number, "it does not fit"));
        assertThatThrownBy(fault.answer::next).hasMessage("it does not fit");
        serving.expectNoMessage();
    }
}
