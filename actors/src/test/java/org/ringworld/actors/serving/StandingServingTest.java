package org.ringworld.actors.serving;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.apache.pekko.actor.testkit.typed.javadsl.TestProbe;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.receptionist.Receptionist;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.ringworld.model.decode.Ask;
import org.ringworld.model.decode.Made;
import org.ringworld.model.decode.Sampler;

/** What a serving does with what fronts say; the ring is only listened to. */
@Timeout(30)
class StandingServingTest {
    private static final OfferedModel MODEL = new OfferedModel("1-m", "m", "/m", 0, "", 1);
    private static final Ask ASK = new Ask(new int[] {1, 2, 3}, 9, Sampler.GREEDY, Set.of());

    private final ActorTestKit kit = ActorTestKit.create("serving");
    private final TestProbe<ToFront> front = kit.createTestProbe();
    private final TestProbe<ServingActor.Command> ring = kit.createTestProbe();
    private final BlockingQueue<ServingNews> news = new LinkedBlockingQueue<>();
    private final ActorRef<StandingServing.Command> standing =
            kit.spawn(StandingServing.create(MODEL, 7, _ -> ring.getRef(), news::add));

    @AfterEach
    void shutdown() {
        kit.shutdownTestKit();
    }

    /** Where it is told what fronts say; the front is found, and answers. */
    private ActorRef<ToServing> introduced() throws InterruptedException {
        kit.system().receptionist().tell(Receptionist.register(Fronts.KEY, front.getRef()));
        ToFront.Serves serves = front.expectMessageClass(ToFront.Serves.class);
        assertThat(serves.offered()).isEqualTo(MODEL);
        assertThat(serves.generation()).isEqualTo(7);
        assertThat(nextNews()).isEqualTo(new ServingNews.Fronts(List.of(), 1, List.of()));
        serves.serving()
                .tell(new ToServing.Have(front.getRef(), "http://a:1", "", false, Map.of()));
        front.expectMessageClass(ToFront.Busy.class);
        assertThat(nextNews())
                .isEqualTo(new ServingNews.Fronts(List.of("http://a:1"), 0, List.of()));
        return serves.serving();
    }

    private ServingNews nextNews() throws InterruptedException {
        return news.poll(10, TimeUnit.SECONDS);
    }

    private ServingActor.Asked asked(ActorRef<ToServing> serving, long number) {
        serving.tell(new ToServing.Asked(front.getRef(), number, ASK, new int[0]));
        return ring.expectMessageClass(ServingActor.Asked.class);
    }

    private static Made.Token token(long text, int index) {
        return new Made.Token(text, index, 100 + index, -1, List.of(), false);
    }

    private void have(ActorRef<ToServing> serving, Map<Long, Integer> heard) {
        serving.tell(new ToServing.Have(front.getRef(), "http://a:1", "", false, heard));
    }

    @Test
    void aFrontThatDoesNotAnswerIsToldAgain() {
        kit.system().receptionist().tell(Receptionist.register(Fronts.KEY, front.getRef()));
        front.expectMessageClass(ToFront.Serves.class);
        front.expectMessageClass(ToFront.Serves.class);
    }

    @Test
    void tokensComeInOrderUnderTheNumbersOfTheFront() throws Exception {
        ActorRef<ToServing> serving = introduced();
        List<ServingActor.Asked> asked = List.of(asked(serving, 50), asked(serving, 60));
        asked.getFirst().listener().begins(128);
        for (int i = 0; i < 40; i++) {
            for (ServingActor.Asked one : asked) {
                one.listener().token(token(one.id(), i));
            }
        }
        asked.getFirst().listener().ended(null);
        List<Made.Token> tokens = new ArrayList<>();
        int messages = 0;
        for (boolean over = false; !over; messages++) {
            ToFront.Told told = front.expectMessageClass(ToFront.Told.class);
            if (messages == 0) {
                assertThat(told.begun()).containsExactly(new ToFront.Begun(50, 128, 128));
            }
            tokens.addAll(told.tokens());
            over = told.ended().contains(new ToFront.Ended(50, null));
        }
        for (long number : List.of(50L, 60L)) {
            assertThat(tokens.stream().filter(t -> t.text() == number).map(Made.Token::index))
                    .hasSize(40)
                    .isSorted();
        }
        System.out.println(messages + " messages of 80 tokens");
        assertThat(messages).isLessThan(80);
    }

    @Test
    void whatIsNotKnownOrWasLostIsSaid() throws Exception {
        ActorRef<ToServing> serving = introduced();
        ServingActor.Asked one = asked(serving, 50);
        have(serving, Map.of(50L, 0, 70L, 3));
        assertThat(front.expectMessageClass(ToFront.Unknown.class).numbers()).containsExactly(70L);
        front.expectMessageClass(ToFront.Busy.class);
        one.listener().token(token(one.id(), 0));
        front.expectMessageClass(ToFront.Told.class);
        have(serving, Map.of(50L, 0)); // it may be on its way
        front.expectMessageClass(ToFront.Busy.class);
        have(serving, Map.of(50L, 0));
        assertThat(front.expectMessageClass(ToFront.Unknown.class).numbers()).containsExactly(50L);
        assertCancelled(one);
    }

    private void assertCancelled(ServingActor.Asked one) {
        assertThat(ring.expectMessageClass(ServingActor.Cancelled.class).id()).isEqualTo(one.id());
    }

    @Test
    void whatNobodyWaitsForIsCancelled() throws Exception {
        ActorRef<ToServing> serving = introduced();
        ServingActor.Asked one = asked(serving, 50);
        ServingActor.Asked two = asked(serving, 60);
        serving.tell(new ToServing.Cancelled(front.getRef(), 50));
        assertCancelled(one);
        have(serving, Map.of()); // the word that said so was lost
        assertCancelled(two);
        front.expectMessageClass(ToFront.Busy.class);
        two.listener().token(token(two.id(), 0));
        front.expectNoMessage();
    }

    @Test
    void whatADeadFrontWaitedForIsCancelled() throws Exception {
        ServingActor.Asked one = asked(introduced(), 50);
        front.stop();
        assertCancelled(one);
        assertThat(nextNews()).isEqualTo(ServingNews.Fronts.NONE);
    }

    /** Whoever serves next is asked; clients hear nothing of it. */
    @Test
    void oneThatIsTakenOverFromSaysNothing() throws Exception {
        asked(introduced(), 50);
        kit.stop(standing);
        front.expectNoMessage();
        assertThat(news).isEmpty();
    }

    @Test
    void oneThatFailsTellsAllWhoWait() throws Exception {
        introduced();
        ring.stop();
        assertThat(front.expectMessageClass(ToFront.Closed.class).sentence())
                .contains("its ring failed");
        assertThat(nextNews()).isInstanceOf(ServingNews.Ended.class);
    }
}
