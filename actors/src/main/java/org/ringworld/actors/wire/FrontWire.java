package org.ringworld.actors.wire;

import static org.ringworld.actors.wire.ServingWire.ints;

import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.ActorRefResolver;
import org.ringworld.actors.serving.OfferedModel;
import org.ringworld.actors.serving.ToFront;
import org.ringworld.actors.serving.ToServing;
import org.ringworld.actors.wire.RingWire.Message;
import org.ringworld.model.decode.Ask;
import org.ringworld.model.decode.Load;

/** What fronts and whoever serves a model say to each other, as Protobuf. */
final class FrontWire {
    private final ActorRefResolver refs;

    FrontWire(ActorRefResolver refs) {
        this.refs = refs;
    }

    private String text(ActorRef<?> ref) {
        return refs.toSerializationFormat(ref);
    }

    private <T> ActorRef<T> ref(String text) {
        return refs.resolveActorRef(text);
    }

    // ---- to whoever serves

    void write(ToServing message, Message.Builder to) {
        switch (message) {
            case ToServing.Asked m ->
                    to.getAskedTextBuilder()
                            .setFront(text(m.front()))
                            .setNumber(m.number())
                            .setAsk(write(m.ask()))
                            .addAllEmitted(ints(m.emitted()));
            case ToServing.Cancelled m ->
                    to.getCancelledTextBuilder().setFront(text(m.front())).setNumber(m.number());
            case ToServing.Have m ->
                    to.getHaveBuilder()
                            .setFront(text(m.front()))
                            .setAddress(m.address())
                            .setFault(m.fault())
                            .setLeft(m.left())
                            .putAllHeard(m.heard());
        }
    }

    private static RingWire.Ask write(Ask ask) {
        RingWire.Ask.Builder to =
                RingWire.Ask.newBuilder()
                        .addAllIds(ints(ask.prompt()))
                        .setMost(ask.most())
                        .setSampler(ServingWire.write(ask.sampler()))
                        .addAllEnds(ask.ends())
                        .setAlternatives(ask.alternatives())
                        .setScoresFrom(ask.scoresFrom());
        if (ask.guidance() != null) {
            to.getGuidanceBuilder()
                    .addAllIds(ints(ask.guidance().prompt()))
                    .setScale(ask.guidance().scale());
        }
        if (ask.frames() != null) {
            to.setFrames(ServingWire.write(ask.frames()));
        }
        return to.build();
    }

    private static Ask read(RingWire.Ask m) {
        return new Ask(
                ints(m.getIdsList()),
                m.getMost(),
                ServingWire.read(m.getSampler()),
                new HashSet<>(m.getEndsList()),
                m.getAlternatives(),
                m.getScoresFrom(),
                m.hasGuidance()
                        ? new Ask.Guidance(
                                ints(m.getGuidance().getIdsList()), m.getGuidance().getScale())
                        : null,
                m.hasFrames() ? ServingWire.read(m.getFrames()) : null);
    }

    ToServing readToServing(Message message) {
        return switch (message.getKindCase()) {
            case ASKED_TEXT -> {
                RingWire.AskedText m = message.getAskedText();
                yield new ToServing.Asked(
                        ref(m.getFront()),
                        m.getNumber(),
                        read(m.getAsk()),
                        ints(m.getEmittedList()));
            }
            case CANCELLED_TEXT -> {
                RingWire.CancelledText m = message.getCancelledText();
                yield new ToServing.Cancelled(ref(m.getFront()), m.getNumber());
            }
            default -> {
                RingWire.Have m = message.getHave();
                yield new ToServing.Have(
                        ref(m.getFront()),
                        m.getAddress(),
                        m.getFault(),
                        m.getLeft(),
                        m.getHeardMap());
            }
        };
    }

    // ---- to a front

    void write(ToFront message, Message.Builder to) {
        switch (message) {
            case ToFront.Serves m ->
                    to.getServesBuilder()
                            .setServing(text(m.serving()))
                            .setGeneration(m.generation())
                            .setId(m.offered().id())
                            .setName(m.offered().name())
                            .setModel(m.offered().model())
                            .setSaved(m.offered().saved())
                            .setSettings(m.offered().settings())
                            .setCapacity(m.offered().capacity());
            case ToFront.Told m -> to.setToldTexts(write(m));
            case ToFront.Unknown m -> to.getUnknownTextsBuilder().addAllNumbers(m.numbers());
            case ToFront.Busy m -> to.setBusy(write(m));
            case ToFront.Closed m -> to.getClosedBuilder().setId(m.id()).setSentence(m.sentence());
        }
    }

    private static RingWire.ToldTexts write(ToFront.Told m) {
        RingWire.ToldTexts.Builder to = RingWire.ToldTexts.newBuilder();
        for (ToFront.Begun one : m.begun()) {
            to.addBegunBuilder()
                    .setNumber(one.number())
                    .setCached(one.cached())
                    .setRead(one.read());
        }
        m.scores().forEach(some -> to.addScores(ServingWire.write(some)));
        m.tokens().forEach(token -> to.addTokens(ServingWire.write(token)));
        for (ToFront.Ended one : m.ended()) {
            RingWire.Ended.Builder ended = to.addEndedBuilder().setNumber(one.number());
            if (one.fault() != null) {
                ended.setFault(one.fault());
            }
        }
        return to.build();
    }

    private static RingWire.Busy write(ToFront.Busy m) {
        Load load = m.load();
        RingWire.Busy.Builder to =
                RingWire.Busy.newBuilder()
                        .setId(m.id())
                        .setEpoch(load.epoch())
                        .setRunning(load.running())
                        .setWaiting(load.waiting())
                        .setRead(load.read())
                        .setWritten(load.written())
                        .setRecoveredPages(load.recoveredPages())
                        .setRecomputedTokens(load.recomputedTokens());
        for (Load.Rank rank : load.ranks()) {
            to.addRanksBuilder()
                    .setDevice(rank.device())
                    .setPages(rank.pages())
                    .setUsed(rank.used())
                    .setKept(rank.kept());
        }
        return to.build();
    }

    ToFront readToFront(Message message) {
        return switch (message.getKindCase()) {
            case SERVES -> {
                RingWire.Serves m = message.getServes();
                OfferedModel offered =
                        new OfferedModel(
                                m.getId(),
                                m.getName(),
                                m.getModel(),
                                m.getSaved(),
                                m.getSettings(),
                                m.getCapacity());
                yield new ToFront.Serves(ref(m.getServing()), m.getGeneration(), offered);
            }
            case TOLD_TEXTS -> read(message.getToldTexts());
            case UNKNOWN_TEXTS ->
                    new ToFront.Unknown(Set.copyOf(message.getUnknownTexts().getNumbersList()));
            case BUSY -> read(message.getBusy());
            default -> {
                RingWire.Closed m = message.getClosed();
                yield new ToFront.Closed(m.getId(), m.getSentence());
            }
        };
    }

    private static ToFront.Told read(RingWire.ToldTexts m) {
        return new ToFront.Told(
                m.getBegunList().stream()
                        .map(
                                one ->
                                        new ToFront.Begun(
                                                one.getNumber(), one.getCached(), one.getRead()))
                        .toList(),
                m.getScoresList().stream().map(ServingWire::read).toList(),
                m.getTokensList().stream().map(ServingWire::read).toList(),
                m.getEndedList().stream()
                        .map(
                                one ->
                                        new ToFront.Ended(
                                                one.getNumber(),
                                                one.hasFault() ? one.getFault() : null))
                        .toList());
    }

    private static ToFront.Busy read(RingWire.Busy m) {
        List<Load.Rank> ranks =
                m.getRanksList().stream()
                        .map(
                                rank ->
                                        new Load.Rank(
                                                rank.getDevice(),
                                                rank.getPages(),
                                                rank.getUsed(),
                                                rank.getKept()))
                        .toList();
        Load load =
                new Load(
                        m.getEpoch(),
                        m.getRunning(),
                        m.getWaiting(),
                        ranks,
                        m.getRead(),
                        m.getWritten(),
                        m.getRecoveredPages(),
                        m.getRecomputedTokens());
        return new ToFront.Busy(m.getId(), load);
    }
}
