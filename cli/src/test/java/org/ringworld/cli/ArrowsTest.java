package org.ringworld.cli;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.Architectures.layeredArchitecture;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import org.junit.jupiter.api.Test;
import org.ringworld.runtime.Tensor;

/** The order of the house: nothing knows what stands above it. */
class ArrowsTest {
    private static final JavaClasses OURS =
            new ClassFileImporter()
                    .withImportOption(new ImportOption.DoNotIncludeTests())
                    .importPackages("org.ringworld");

    @Test
    void arrowsPointDownTheListOfModules() {
        assertThat(OURS).hasSizeGreaterThan(300);
        layeredArchitecture()
                .consideringOnlyDependenciesInLayers()
                .layer("runtime")
                .definedBy("org.ringworld.runtime..")
                .layer("tokenizer")
                .definedBy("org.ringworld.tokenizer..")
                .layer("checkpoints")
                .definedBy("org.ringworld.checkpoints..")
                .layer("model")
                .definedBy("org.ringworld.model..")
                .layer("actors")
                .definedBy("org.ringworld.actors..")
                .layer("cli")
                .definedBy("org.ringworld.cli..")
                .whereLayer("cli")
                .mayNotBeAccessedByAnyLayer()
                .whereLayer("actors")
                .mayOnlyBeAccessedByLayers("cli")
                .whereLayer("model")
                .mayOnlyBeAccessedByLayers("actors", "cli")
                .whereLayer("checkpoints")
                .mayOnlyBeAccessedByLayers("model", "actors", "cli")
                .whereLayer("tokenizer")
                .mayOnlyBeAccessedByLayers("model", "actors", "cli")
                .check(OURS);
    }

    @Test
    void arrowsInsideOfTheModelPointFromTrainingAndDecodingToTheRing() {
        layeredArchitecture()
                .consideringOnlyDependenciesInLayers()
                .layer("ring")
                .definedBy("org.ringworld.model.ring..")
                .layer("attention")
                .definedBy("org.ringworld.model.attention..")
                .layer("layers")
                .definedBy("org.ringworld.model.layers..")
                .layer("training")
                .definedBy("org.ringworld.model.training..")
                .layer("decode")
                .definedBy("org.ringworld.model.decode..")
                .whereLayer("training")
                .mayNotBeAccessedByAnyLayer()
                .whereLayer("decode")
                .mayOnlyBeAccessedByLayers("training")
                .whereLayer("layers")
                .mayOnlyBeAccessedByLayers("training", "decode")
                .whereLayer("attention")
                .mayOnlyBeAccessedByLayers("layers", "training", "decode")
                .check(OURS);
    }

    @Test
    void devicesAreMadeOfTheirDescriptionsAlone() {
        noClasses()
                .that()
                .resideOutsideOfPackage("org.ringworld.runtime..")
                .should()
                .dependOnClassesThat()
                .haveFullyQualifiedName("org.ringworld.runtime.cpu.CpuDevice")
                .check(OURS);
    }

    /** The ring compares two tensors' memory, and no more than that. */
    @Test
    void whoNeedsBytesAsksTheDevice() {
        noClasses()
                .that()
                .resideOutsideOfPackages("org.ringworld.runtime..", "org.ringworld.model.ring..")
                .should()
                .callMethod(Tensor.class, "memory")
                .check(OURS);
    }

    @Test
    void theModelKnowsNoActor() {
        noClasses()
                .that()
                .resideOutsideOfPackages("org.ringworld.actors..", "org.ringworld.cli..")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("org.apache.pekko..")
                .check(OURS);
    }
}
