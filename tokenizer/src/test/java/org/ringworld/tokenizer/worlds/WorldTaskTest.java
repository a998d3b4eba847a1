package org.ringworld.tokenizer.worlds;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.ringworld.tokenizer.media.Picture;

class WorldTaskTest {
    /** The caption says what is seen in the picture. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void whatIsDrawnIsFoundAndSaid(boolean test) {
        WorldTask task = new WorldTask(3, test);
        Set<String> seen = new HashSet<>();
        for (int number = 0; number < 300; number++) {
            WorldTask.Shown shown = task.picture(number);
            World found = World.of(shown.frames().getFirst());
            assertThat(WorldTask.caption(found.things())).isEqualTo(shown.caption());
            assertThat(found.isHeldOut()).isEqualTo(test);
            found.things().forEach(thing -> seen.add(thing.name()));
            int count = found.things().size();
            assertThat(shown.questions().stream().filter(q -> q.kind().equals("count")))
                    .extracting(WorldTask.Question::answer)
                    .containsExactly(List.of("no", "one", "two", "three", "four").get(count));
        }
        assertThat(seen).as("all things").hasSize(32);
    }

    @Test
    void theSameNumberIsTheSameWorldAndAnotherIsAnother() {
        WorldTask.Shown a = new WorldTask(5, false).picture(7);
        assertThat(new WorldTask(5, false).picture(7).frames().getFirst().rgb())
                .isEqualTo(a.frames().getFirst().rgb());
        assertThat(new WorldTask(5, false).picture(8).frames().getFirst().rgb())
                .isNotEqualTo(a.frames().getFirst().rgb());
    }

    /** As a codebook leaves it: somewhat off, with specks. */
    @Test
    void worldsAreFoundInPicturesThatAreNotExact() {
        WorldTask task = new WorldTask(3, false);
        Random random = new Random(1);
        for (int number = 0; number < 100; number++) {
            WorldTask.Shown shown = task.picture(number);
            byte[] rgb = shown.frames().getFirst().rgb().clone();
            for (int i = 0; i < rgb.length; i++) {
                int noisy = (rgb[i] & 0xff) + (int) (12 * random.nextGaussian());
                rgb[i] = (byte) Math.clamp(noisy, 0, 255);
            }
            for (int i = 0; i < 60; i++) {
                rgb[random.nextInt(rgb.length)] = (byte) random.nextInt();
            }
            World found = World.of(new Picture(World.SIDE, World.SIDE, rgb));
            assertThat(WorldTask.caption(found.things())).isEqualTo(shown.caption());
        }
        byte[] white = new byte[3 * World.SIDE * World.SIDE];
        java.util.Arrays.fill(white, (byte) 255);
        assertThat(World.of(new Picture(World.SIDE, World.SIDE, white)).things()).isEmpty();
    }

    /** What films say happens is what their frames show. */
    @Test
    void whatHappensInAFilmIsSeen() {
        WorldTask task = new WorldTask(3, false);
        Set<String> happenings = new HashSet<>();
        for (int number = 0; number < 60; number++) {
            WorldTask.Shown film = task.film(number, 8);
            List<Set<Thing>> frames =
                    film.frames().stream()
                            .map(frame -> Set.copyOf(World.of(frame).things()))
                            .toList();
            happenings.add(film.caption().replaceAll("an? \\w+ \\w+ ", ""));
            String first = null;
            for (int i = 1; i < frames.size() && first == null; i++) {
                Set<Thing> changed = new HashSet<>(frames.get(i));
                changed.removeAll(frames.get(i - 1));
                Set<Thing> gone = new HashSet<>(frames.get(i - 1));
                gone.removeAll(frames.get(i));
                changed.addAll(gone);
                first = changed.isEmpty() ? null : changed.iterator().next().hue().toString();
            }
            assertThat(film.questions().getFirst().answer()).isEqualTo(first);
        }
        assertThat(happenings).hasSize(9);
    }
}
